/** `JobFiles` over the simulated storage, as one server's mount shows it. A hang and an error are trouble, never "absent". */
import type { JobFiles, LogRange, StorageTrouble } from "../../src/control/ports.ts";
import { endOf, hits, isOn } from "./fault-state.ts";
import { EPOCH_MS, type Directory, newestCheckpoint, type Server, type World } from "./model.ts";
import { callWorld } from "./server.ts";
import { onStop } from "../invariants/registry.ts";
import { filesAsOf, linkClaim, linkStop, makeDirectory } from "./shared-storage.ts";

const DEADLINE_MS = 10_000;

type Access = "read" | "write";

export function jobFilesPort(world: World, server: () => Server): JobFiles {
  const call = <T>(name: string, access: Access, effect: () => T): Promise<T> => storageCall(world, server(), name, access, effect);
  const directoryOf = (userId: string, submissionId: string): Directory => {
    const directory = world.directories.get(submissionId);
    if (directory === undefined || directory.userId !== userId) throw trouble("error", `no directory of ${submissionId}`);
    return directory;
  };
  return {
    prepare: (attempt) => call("prepare", "write", () => void makeDirectory(world, attempt.userId, attempt.submissionId)),
    look: (userId, submissionId) =>
      call("look", "read", () => {
        const directory = directoryOf(userId, submissionId);
        const { staleMs } = world.plan.settings;
        const age = staleMs > 0 && hits(world, "storage.stale") ? world.random("stale").int(0, staleMs) : 0;
        const files = filesAsOf(world, directory, age);
        if (files === null) throw trouble("error", `no directory of ${submissionId} yet`);
        return files;
      }),
    revoke: (userId, submissionId, why, nonce) =>
      call("revoke", "write", () => {
        const directory = directoryOf(userId, submissionId);
        const at = new Date(EPOCH_MS + world.timeline.now()).toISOString();
        const mine = {
          by: "server",
          why,
          nonce,
          host: server().name,
          nodeId: null,
          agentIncarnation: null,
          containment: "none",
          raySession: null,
          at,
        } as const;
        if (linkClaim(world, directory, mine)) world.trace.saw("the server won a claim");
        const claim = directory.files.claim ?? mine;
        if (claim.by === "launcher") world.trace.saw("the server lost a claim");
        return { kind: claim.by === "server" ? ("won" as const) : ("lost" as const), claim };
      }),
    stop: (userId, submissionId, why) =>
      call("stop", "write", () => {
        onStop(world, submissionId, why);
        linkStop(world, directoryOf(userId, submissionId), why);
      }),
    readLog: (userId, submissionId) => call("readLog", "read", () => wholeLog(directoryOf(userId, submissionId))),
    tailLog: (userId, submissionId) => call("tailLog", "read", () => wholeLog(directoryOf(userId, submissionId))),
    askStacks: () => call("askStacks", "write", () => undefined),
    readMetrics: (_userId, _submissionId, offset) =>
      call("readMetrics", "read", () => ({ bytes: new Uint8Array(), start: offset, end: offset, size: offset })),
    checkpoints: (userId, submissionId) =>
      call("checkpoints", "read", () => {
        directoryOf(userId, submissionId);
        return { kind: "read", newest: newestCheckpoint(world, submissionId), skipped: [] } as const;
      }),
    probe: () => call("probe", "write", () => undefined),
  };
}

function wholeLog(directory: Directory): LogRange {
  const bytes = new TextEncoder().encode(directory.log);
  return { bytes, start: 0, end: bytes.length, size: bytes.length };
}

function trouble(kind: StorageTrouble["kind"], message: string): Error {
  return Object.assign(new Error(`storage: ${message}`), { name: "StorageTrouble" as const, kind });
}

export function storageCall<T>(world: World, server: Server, name: string, access: Access, effect: () => T): Promise<T> {
  const random = world.random(`storage ${name}`);
  const label = `storage.${name}`;
  if (hits(world, "storage.hang")) {
    // A write that was given to the kernel arrives when the mount is back, long after its caller has given up.
    if (access === "write" && random.chance(0.5))
      world.timeline.at(endOf(world, "storage.hang") + 1, `late ${label}`, () => {
        try {
          effect();
        } catch {
          world.trace.saw("a late write to storage failed");
        }
      });
    return callWorld<T>(world, server, {
      name: label,
      ms: DEADLINE_MS,
      outlives: false,
      effect: () => {
        throw trouble("hang", `${name}: no answer`);
      },
    });
  }
  if (access === "write" && isOn(world, "storage.full")) {
    return callWorld<T>(world, server, {
      name: label,
      ms: random.int(1, 20),
      outlives: false,
      effect: () => {
        throw trouble("error", `${name}: ENOSPC`);
      },
    });
  }
  const fails = hits(world, "storage.error") ? random.pick(["before", "after"] as const) : null;
  // A link on a busy file server takes its time, in which a launcher may be faster.
  const isSlow = hits(world, "storage.slow") || (name === "revoke" && random.chance(0.3));
  const ms = isSlow ? random.int(300, 9_000) : random.int(1, 20);
  return callWorld(world, server, {
    name: label,
    ms,
    outlives: access === "write" && random.chance(0.5),
    effect: () => {
      if (fails === "before") throw trouble("error", `${name}: EIO`);
      const value = effect();
      if (fails === "after") throw trouble("error", `${name}: EIO`);
      return value;
    },
  });
}
