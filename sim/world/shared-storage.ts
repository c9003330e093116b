/** Job directories as they really are: atomic links, one claim for ever, and a past that a stale mount can still show. */
import type { AttemptFiles, AttemptResult, Claim, StopWhy } from "../../src/domain/types.ts";
import type { Directory, World } from "./model.ts";

const KEPT_MS = 200_000;

const EMPTY: AttemptFiles = { claim: null, lease: null, stop: null, result: null };

export function makeDirectory(world: World, userId: string, submissionId: string): Directory {
  const known = world.directories.get(submissionId);
  if (known !== undefined) return known;
  const directory: Directory = { userId, submissionId, history: [{ at: world.timeline.now(), files: EMPTY }], files: EMPTY, log: "" };
  world.directories.set(submissionId, directory);
  return directory;
}

function change(world: World, directory: Directory, files: Partial<AttemptFiles>): void {
  const now = world.timeline.now();
  directory.files = { ...directory.files, ...files };
  directory.history.push({ at: now, files: directory.files });
  while (directory.history.length > 2 && (directory.history[1]?.at ?? now) < now - KEPT_MS) directory.history.shift();
}

/** As a reader sees it whose view is `ageMs` old. */
export function filesAsOf(world: World, directory: Directory, ageMs: number): AttemptFiles | null {
  const then = world.timeline.now() - ageMs;
  return directory.history.findLast((version) => version.at <= then)?.files ?? null;
}

/** `link(2)`: true for the one that made it. */
export function linkClaim(world: World, directory: Directory, claim: Claim): boolean {
  if (directory.files.claim !== null) return false;
  change(world, directory, { claim });
  return true;
}

export function linkStop(world: World, directory: Directory, stop: StopWhy): void {
  if (directory.files.stop === null) change(world, directory, { stop });
}

export function writeLease(world: World, directory: Directory, counter: number): void {
  change(world, directory, { lease: String(counter).padStart(20, "0") });
}

export function writeResult(world: World, directory: Directory, result: AttemptResult): void {
  change(world, directory, { result });
}
