/** Identifiers of the contract. An owner is a column, never parsed out of an id: user ids may hold hyphens. */
import type { Workload } from "./types.ts";

const USER_ID = /^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$/;
const RESERVED_USER_IDS: ReadonlySet<string> = new Set(["admin", "root", "common"]);
const TASK_ID = /^mvp2-[a-z0-9-]{1,32}-(ppo|grpo|sft)-\d{8}-\d{6}-[0-9a-f]{4,16}$/;
const SUBMISSION_ID = /^(mvp2-[a-z0-9-]{1,100})--a(\d{2,})$/;

/** Why `text` may not be a user id, or null when it may. */
export function userIdProblem(text: string): string | null {
  if (!USER_ID.test(text)) return "must match ^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$";
  if (text.includes("--")) return "must not contain --";
  if (RESERVED_USER_IDS.has(text)) return `${text} is reserved`;
  return null;
}

export function isTaskId(text: string): boolean {
  return text.length <= 128 && TASK_ID.test(text);
}

/** `mvp2-<user>-<workload>-<YYYYMMDD-HHMMSS>-<suffix>`, the time in UTC; `suffix` is random hex. */
export function formatTaskId(userId: string, workload: Workload, at: number, suffix: string): string {
  const iso = new Date(at).toISOString();
  const stamp = `${iso.slice(0, 10).replaceAll("-", "")}-${iso.slice(11, 19).replaceAll(":", "")}`;
  return `mvp2-${userId}-${workload}-${stamp}-${suffix}`;
}

/** The Ray submission id of an attempt: at least two digits, so `a01` … `a99`, `a100`. */
export function formatSubmissionId(taskId: string, attempt: number): string {
  return `${taskId}--a${String(attempt).padStart(2, "0")}`;
}

/** Splits a submission id; null when the text is none of ours. The attempt is compared as a number. */
export function parseSubmissionId(text: string): { readonly taskId: string; readonly attempt: number } | null {
  const match = SUBMISSION_ID.exec(text);
  const [, taskId, digits] = match ?? [];
  if (text.length > 128 || taskId === undefined || digits === undefined) return null;
  const attempt = Number(digits);
  return attempt >= 1 && formatSubmissionId(taskId, attempt) === text ? { taskId, attempt } : null;
}
