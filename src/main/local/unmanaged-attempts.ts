/**
 * Attempts that a new or restored database does not know. Their ids are never given out again (they are random), and what has not started never
 * will: the claim is taken, so that whatever Ray does with the job, its launcher ends at once (docs/protocol.md rule 3).
 */
import { readdirSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { parseSubmissionId, userIdProblem } from "../../domain/ids.ts";
import type { AttemptFiles } from "../../domain/types.ts";
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
    return standingIn(lookAtAttempt(root, userId, submissionId));
  } catch (error) {
    // Never prepared: the intent was written and the server died before its directory was.
    return (error as NodeJS.ErrnoException).code === "ENOENT" ? "ended" : "unreadable";
  }
}

function standingIn({ claim, result }: AttemptFiles): Standing {
  if (claim === null) return "waiting";
  return claim.by === "server" || result !== null ? "ended" : "started";
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
