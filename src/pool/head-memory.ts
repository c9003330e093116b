/** What a killed head comes back with: where it lies, whether it may be used, and when Ray may be started on it. */
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Clock, Log } from "../control/ports.ts";
import type { HeadOwner } from "../domain/head-record.ts";
import { decideStart, type EpochClaim, type HeadMemory, type HeadSight, type HeadTimes, isMemoryCurrent } from "../domain/head-watch.ts";
import type { HeadFiles } from "./head-files.ts";
import { isPortOpen } from "./port-open.ts";
import type { GcsStorage } from "./ray-env.ts";
import type { RayInstall } from "./ray-install.ts";

const LOOK_MS = 1_000;

/** What the operator says about the head's memory. `auto`: on this machine's disk where Ray can. */
export type GcsChoice = { readonly kind: "auto" | "none" | "rocksdb" } | { readonly kind: "redis"; readonly address: string };

export type MemoryPlan = { readonly memory: HeadMemory; readonly gcs: GcsStorage; readonly warning: string | null };

/** `networkFileSystem`: of the state directory; null = it is on a disk of this machine. Throws for what this Ray can't do. */
export function planMemory(
  choice: GcsChoice,
  install: RayInstall,
  gcsDir: string,
  cluster: string,
  networkFileSystem: string | null,
): MemoryPlan {
  const { rayVersion, hasDurableGcs } = install;
  const none = (warning: string): MemoryPlan => ({ memory: "none", gcs: { kind: "none" }, warning });
  const forgets = "a head that was killed forgets its jobs, and every worker joins it anew";
  if (choice.kind === "redis")
    return { memory: "shared", gcs: { kind: "redis", address: choice.address, namespace: cluster }, warning: null };
  if (choice.kind === "none") return none(`the head keeps no memory, as told: ${forgets}`);
  if (!hasDurableGcs) {
    if (choice.kind === "rocksdb")
      throw new Error(`Ray ${rayVersion} can't keep its GCS in RocksDB (2.60 can): give --gcs redis://HOST:PORT, or none`);
    return none(`Ray ${rayVersion} can't keep its GCS on disk (2.60 can) and no --gcs redis://HOST:PORT was given: ${forgets}`);
  }
  const gcs: GcsStorage = { kind: "rocksdb", dir: gcsDir };
  if (networkFileSystem === null) return { memory: "own_disk", gcs, warning: null };
  if (choice.kind === "rocksdb")
    return {
      memory: "shared",
      gcs,
      warning: `the head's memory lies on ${networkFileSystem}, as told: another machine's head waits until this one is proven dead`,
    };
  return none(`--state-dir lies on ${networkFileSystem}, where the head keeps no memory (--gcs rocksdb forces it): ${forgets}`);
}

/**
 * Makes ready what RocksDB starts with. A memory of this machine's disk is kept only when nobody else was head since: `own` are the claims made
 * from this machine before, `before` is the highest epoch before ours.
 */
export function prepareMemory({ gcs, memory }: MemoryPlan, own: readonly EpochClaim[], before: EpochClaim | null, log: Log): void {
  if (gcs.kind !== "rocksdb") return;
  if (memory === "own_disk" && !isMemoryCurrent(own, before) && putAside(gcs.dir, `${gcs.dir}.old`))
    log.info({ dir: gcs.dir }, "another head was there since: this machine's older memory of Ray is put aside, and Ray starts empty");
  mkdirSync(gcs.dir, { recursive: true, mode: 0o700 });
}

/** Of RocksDB's Status for contents that can't be read, unlike `IO error` (disk full, no rights, locked), which may pass. */
const CORRUPTION = /Failed to open RocksDB at (?:.+?): Corruption: ([^\n]*)/;

/**
 * Puts aside a memory that Ray can't read: its last start in `tempDir` said so, or the session's name in it is none (seen with Ray 2.60, which dies
 * of either at every start). The next one comes up empty: every attempt then ends by evidence and goes on anew, where else no head would ever come
 * back.
 */
export function putAsideSpoiltMemory(gcs: GcsStorage, tempDir: string, log: Log): void {
  if (gcs.kind !== "rocksdb") return;
  const why = CORRUPTION.exec(lastGcsLog(join(tempDir, "session_latest", "logs")))?.[1] ?? spoiltName(join(gcs.dir, "session_name"));
  if (why === null || !putAside(gcs.dir, `${gcs.dir}.spoilt`)) return;
  log.error(
    { why, kept_in: `${gcs.dir}.spoilt` },
    "Ray can't read its memory: it is put aside, and Ray starts empty, as after the loss of this disk",
  );
  mkdirSync(gcs.dir, { recursive: true, mode: 0o700 });
}

function spoiltName(file: string): string | null {
  try {
    return /^[\w.-]+$/.test(readFileSync(file, "utf8").trim()) ? null : "session_name holds no name of a session";
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}

/** What the newest GCS said; each start writes a log of its own. */
function lastGcsLog(dir: string): string {
  try {
    const logs = readdirSync(dir)
      .filter((name) => /^gcs_server(\.\d+)?\.out$/.test(name))
      .map((name) => ({ path: join(dir, name), at: statSync(join(dir, name)).mtimeMs }))
      .toSorted((a, b) => b.at - a.at);
    return logs[0] === undefined ? "" : readFileSync(logs[0].path, "utf8");
  } catch {
    return "";
  }
}

/** false = there was nothing. */
function putAside(dir: string, aside: string): boolean {
  rmSync(aside, { recursive: true, force: true });
  try {
    renameSync(dir, aside);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    return false;
  }
}

export type ProofOptions = {
  readonly memory: HeadMemory;
  /** What was seen of the head before ours, when we took its place. */
  readonly sight: HeadSight;
  readonly times: HeadTimes;
  readonly files: HeadFiles;
  readonly isGone: (owner: HeadOwner) => boolean;
  /** Once for each reason to wait. */
  readonly onWait: (why: string, leftMs: number) => void;
  readonly clock: Clock;
};

/** Resolves when no other Ray can be writing to the memory that ours is to start with. */
export async function untilMemoryFree(
  { memory, sight, times, files, isGone, onWait, clock }: ProofOptions,
  signal: AbortSignal,
): Promise<void> {
  const { beat, head, silentMs } = sight;
  if (memory !== "shared" || beat === null) return;
  const since = clock.monotonicMs();
  for (let told = ""; ; await clock.sleep(LOOK_MS, signal)) {
    const predecessor = {
      released: beat.released,
      hasEnded: await files.hasEnded(beat.epoch).catch(() => false),
      isGone: isGone(beat.owner),
      answers: head !== null && (await isPortOpen(head.address)),
      silentMs: silentMs + clock.monotonicMs() - since,
    };
    const decision = decideStart(memory, predecessor, times);
    if (decision.kind === "start") return;
    if (decision.why !== told) onWait(WAITS[decision.why], decision.leftMs);
    told = decision.why;
  }
}

const WAITS = {
  answers: "the last head still answers on the memory that both share",
  quarantine: "the last head may not have fenced itself yet, and both share one memory",
};
