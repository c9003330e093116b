/** What two processes see of the shared storage. */
import { readFileSync } from "node:fs";
import type { Settings } from "../../config/settings.ts";
import { type Check, fail } from "../../domain/doctor/check.ts";
import {
  judgeClock,
  judgeMount,
  judgePermissions,
  judgeRaces,
  judgeSight,
  judgeSync,
  type MountFacts,
} from "../../domain/doctor/storage-checks.ts";
import { networkFileSystem } from "../../domain/network-file-systems.ts";
import { discoveryDir } from "../../storage/head-file.ts";
import type { Peer } from "./ask-peers.ts";
import type { PathAnswer, RootAnswer } from "./peer.ts";

const RACES = 20;
const SIGHTS = 5;
const SIGHT_MS = 10_000;
const SYNCS = 20;

export type StorageFindings = {
  readonly checks: readonly Check[];
  /** Fresh on the storage's own clock, for the age of what others wrote; null = it can't be written. */
  readonly storageNowMs: number | null;
};

/** `scratch`: a directory of our own on the storage, which need not be there yet. Rejects when the storage is silent. */
export async function storageFindings(
  settings: Settings,
  scratch: string,
  [a, b]: readonly [Peer, Peer],
  uid: number,
): Promise<StorageFindings> {
  const root = await a.ask<RootAnswer>({ op: "root", path: settings.sharedRoot });
  const mount = root.real === null ? null : mountOf(root.real, readFileSync("/proc/self/mountinfo", "utf8"));
  const facts: MountFacts = {
    root: settings.sharedRoot,
    mount,
    network: root.fileSystem === null ? null : networkFileSystem(root.fileSystem),
    selfFenceS: settings.selfFenceS,
    staleS: settings.staleS,
  };
  if (root.real === null) return { checks: judgeMount(facts), storageNowMs: null };
  const places = ["", "/common", "/common/db", "/common/logs", "/users", "/ray"].map((part) => `${settings.sharedRoot}${part}`);
  const paths = await a.ask<readonly PathAnswer[]>({
    op: "paths",
    paths: [...places, discoveryDir(settings.sharedRoot, settings.cluster)],
  });
  const found = [...judgeMount(facts), ...judgePermissions(paths, uid)];
  try {
    await a.ask({ op: "mkdir", path: scratch });
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    found.push(
      fail("write", why, "nothing can be written there, so nothing more was tried", "look at the permissions and the space of the mount"),
    );
    return { checks: found, storageNowMs: null };
  }
  const inMemory = ["tmpfs", "ramfs"].includes(mount?.type ?? "");
  const fresh = await a.ask<{ mtimeMs: number; offsetMs: number }>({ op: "fresh", target: `${scratch}/fresh` });
  return {
    checks: [
      ...found,
      ...(await raced(scratch, a, b)),
      ...(await seen(scratch, a, b, settings.staleS)),
      ...(await synced(scratch, a, inMemory)),
      ...judgeClock(fresh),
    ],
    storageNowMs: fresh.mtimeMs,
  };
}

async function raced(scratch: string, a: Peer, b: Peer): Promise<readonly Check[]> {
  let error: string | null = null;
  const winners = async (race: (peer: Peer, name: string) => Promise<boolean>): Promise<number | null> => {
    try {
      return (await Promise.all([race(a, "a"), race(b, "b")])).filter(Boolean).length;
    } catch (thrown) {
      error = thrown instanceof Error ? thrown.message : String(thrown);
      return null;
    }
  };
  const linkWinners: (number | null)[] = [];
  const exclusiveWinners: (number | null)[] = [];
  for (let round = 0; round < RACES; round += 1) {
    const target = `${scratch}/race-${round}`;
    linkWinners.push(await winners((peer, name) => peer.ask({ op: "link", target, temp: `${target}.${name}` })));
    exclusiveWinners.push(await winners((peer) => peer.ask({ op: "exclusive", target: `${target}.exclusive` })));
  }
  return judgeRaces({ rounds: RACES, linkWinners, exclusiveWinners, error });
}

async function seen(scratch: string, a: Peer, b: Peer, staleS: number): Promise<readonly Check[]> {
  const renamedMs: (number | null)[] = [];
  const inPlaceMs: (number | null)[] = [];
  const target = `${scratch}/seen`;
  for (let round = 0; round < SIGHTS; round += 1) {
    for (const [op, times] of [
      ["rename", renamedMs],
      ["in_place", inPlaceMs],
    ] as const) {
      const text = `${op} ${round}`.padEnd(256);
      await a.ask({ op, target, text });
      times.push(await b.ask<number | null>({ op: "see", target, text, deadlineMs: SIGHT_MS }));
    }
  }
  return judgeSight({ renamedMs, inPlaceMs, deadlineMs: SIGHT_MS, staleS });
}

async function synced(scratch: string, a: Peer, inMemory: boolean): Promise<readonly Check[]> {
  const times = [...(await a.ask<readonly number[]>({ op: "sync", target: `${scratch}/sync`, rounds: SYNCS }))].sort((x, y) => x - y);
  return judgeSync({ medianMs: times[Math.floor(times.length / 2)] ?? 0, worstMs: times.at(-1) ?? 0, inMemory });
}

/** The mount that holds `path`, from the text of /proc/self/mountinfo (proc_pid_mountinfo(5)); the last of several on one place is on top. */
export function mountOf(path: string, mountinfo: string): MountFacts["mount"] {
  let best: { readonly at: string; readonly type: string; readonly options: readonly string[] } | null = null;
  for (const line of mountinfo.split("\n")) {
    const [left = "", right = ""] = line.split(" - ");
    const at = (left.split(" ")[4] ?? "").replaceAll(/\\(\d{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
    const [type = "", , superOptions = ""] = right.split(" ");
    const holds = at === "/" || path === at || path.startsWith(`${at}/`);
    if (at === "" || !holds || (best !== null && best.at.length > at.length)) continue;
    best = { at, type, options: [...new Set([...(left.split(" ")[5] ?? "").split(","), ...superOptions.split(",")])] };
  }
  return best;
}
