/**
 * Attempts that a new or restored database does not know. Their ids are never given out again (they are random), and what has not started never
 * will: the claim is taken, so that whatever Ray does with the job, its launcher ends at once (docs/protocol.md rule 3).
 */
import { readdirSync, readFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { parseSubmissionId, userIdProblem } from "../../domain/ids.ts";
import { jobPaths, toRoot } from "../../domain/storage-layout.ts";
import type { AttemptFiles } from "../../domain/types.ts";
import { findAttemptProcesses } from "../../pool/orphan-sweep.ts";
import { bootId } from "../../pool/process-record.ts";
import { lookAtAttempt, revokeAttempt, stopAttempt } from "../../storage/attempt-directory.ts";
import { clock, ids } from "../clock.ts";
import type { OpenAttempt } from "../../store/database-file.ts";

export type Standing =
  /** It ended, or can never start. */
  | "ended"
  /** Not claimed yet: may start whenever Ray gets to it. */
  | "waiting"
  /** Claimed by a launcher, and no result. */
  | "started"
  /** Its directory can't be read. */
  | "unreadable";

export function standingOf(root: string, { userId, submissionId }: OpenAttempt): Standing {
  try {
    const standing = standingIn(lookAtAttempt(root, userId, submissionId));
    return standing === "started" && isGoneHere(root, { userId, submissionId }) ? "ended" : standing;
  } catch (error) {
    // Never prepared: the intent was written and the server died before its directory was.
    return (error as NodeJS.ErrnoException).code === "ENOENT" ? "ended" : "unreadable";
  }
}

function standingIn({ claim, result }: AttemptFiles): Standing {
  if (claim === null) return "waiting";
  return claim.by === "server" || result !== null ? "ended" : "started";
}

const HereClaim = z.object({ host: z.string(), boot_id: z.string() });

/** Its launcher ran on this machine since it booted, and no process of it is left: killed before it could tell how it ended. */
function isGoneHere(root: string, { userId, submissionId }: OpenAttempt): boolean {
  const text = readFileSync(toRoot(jobPaths(userId, submissionId).claim, root), "utf8");
  const claim = HereClaim.safeParse(JSON.parse(text)).data;
  if (claim?.host !== hostname() || claim.boot_id !== bootId()) return false;
  return !findAttemptProcesses().some(({ attempt }) => attempt === submissionId);
}

export type Quarantined = {
  /** Their claims were taken: they never start. */
  readonly revoked: readonly string[];
  /** They had started and were told to stop. */
  readonly stopped: readonly string[];
  /** They had started and go on, managed by nobody. */
  readonly running: readonly string[];
};

/** Every attempt of this root that is not `known` and has not ended. */
export function quarantine(root: string, known: ReadonlySet<string>, stopStarted: boolean): Quarantined {
  const revoked: string[] = [];
  const stopped: string[] = [];
  const running: string[] = [];
  for (const attempt of attemptsOn(root)) {
    const { userId, submissionId } = attempt;
    if (known.has(submissionId)) continue;
    if (standingOf(root, attempt) === "waiting" && revoke(root, attempt)) revoked.push(submissionId);
    // It may have won the claim in this moment.
    if (standingOf(root, attempt) !== "started") continue;
    if (stopStarted) stopAttempt(root, userId, submissionId, "superseded", now(), ids.hex(8));
    (stopStarted ? stopped : running).push(submissionId);
  }
  return { revoked, stopped, running };
}

function revoke(root: string, { userId, submissionId }: OpenAttempt): boolean {
  const claim = { why: "cancel", nonce: ids.hex(16), host: hostname(), at: now() } as const;
  return revokeAttempt(root, userId, submissionId, claim).kind === "won";
}

function now(): string {
  return new Date(clock.now()).toISOString();
}

function attemptsOn(root: string): readonly OpenAttempt[] {
  return namesIn(join(root, "users"))
    .filter((userId) => userIdProblem(userId) === null)
    .flatMap((userId) =>
      namesIn(join(root, "users", userId, "jobs"))
        .filter((submissionId) => parseSubmissionId(submissionId) !== null)
        .map((submissionId) => ({ userId, submissionId })),
    );
}

function namesIn(directory: string): readonly string[] {
  try {
    return readdirSync(directory).sort();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}
