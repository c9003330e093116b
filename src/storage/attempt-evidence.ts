/** What an agent asks of an attempt whose processes it found: the files of rule 5, and the intervals that both sides use. */
import { readdirSync } from "node:fs";
import { parseSubmissionId, userIdProblem } from "../domain/ids.ts";
import type { AttemptTimes } from "../domain/orphan-watch.ts";
import type { AttemptFiles } from "../domain/types.ts";
import { jobParts, lookAtAttempt } from "./attempt-directory.ts";
import { parseRecord } from "./control-files.ts";
import { withDirectory } from "./open-directory.ts";
import { readSmallIn } from "./regular-file.ts";
import { errorCode } from "./trouble.ts";

export type AttemptEvidence = { readonly userId: string; readonly files: AttemptFiles; readonly times: AttemptTimes };

/** Those of a launcher that was told nothing else (docs/interfaces.md, attempt.json). */
const DEFAULT_TIMES: AttemptTimes = { graceMs: 20_000, selfFenceMs: 180_000 };

/** Null when no job directory of this root is the attempt's. `userId`: whose it is, when that is known; it is never parsed out of the id. */
export function readAttemptEvidence(root: string, submissionId: string, userId: string | null): AttemptEvidence | null {
  const owner = ownerOf(root, submissionId, userId);
  if (owner === null) return null;
  return { userId: owner, files: lookAtAttempt(root, owner, submissionId), times: readTimes(root, owner, submissionId) };
}

/** Whose directory the attempt has; null = there is none. */
export function ownerOf(root: string, submissionId: string, userId: string | null): string | null {
  if (parseSubmissionId(submissionId) === null) return null;
  const users = userId === null ? usersOf(root) : [userId];
  return users.find((user) => userIdProblem(user) === null && hasJob(root, user, submissionId)) ?? null;
}

function usersOf(root: string): readonly string[] {
  return absentAs([], () => withDirectory(root, ["users"], (users) => readdirSync(users.at("."))));
}

function hasJob(root: string, userId: string, submissionId: string): boolean {
  return absentAs(false, () => withDirectory(root, [...jobParts(userId, submissionId), "control"], () => true));
}

function readTimes(root: string, userId: string, submissionId: string): AttemptTimes {
  const bytes = withDirectory(root, [...jobParts(userId, submissionId), "control"], (control) => readSmallIn(control, "attempt.json"));
  const record = bytes === null ? null : parseRecord(bytes);
  const { grace_s, self_fence_s } = record ?? {};
  const isSpan = (value: unknown): value is number => typeof value === "number" && value >= 0 && value <= 86_400;
  if (!isSpan(grace_s) || !isSpan(self_fence_s)) return DEFAULT_TIMES;
  return { graceMs: grace_s * 1000, selfFenceMs: self_fence_s * 1000 };
}

function absentAs<T>(absent: T, look: () => T): T {
  try {
    return look();
  } catch (error) {
    // Without a code it is our own refusal to follow a link: one that a job left beside the users must not hide the others.
    if (errorCode(error) === "ENOENT" || errorCode(error) === null) return absent;
    throw error;
  }
}
