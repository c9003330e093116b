/** Who may see or do what. A task of another user does not exist: the caller answers exactly as for a missing one. */
import type { Principal, Task } from "./types.ts";

export function maySee(principal: Principal, task: Pick<Task, "userId">): boolean {
  return principal.kind === "admin" || principal.userId === task.userId;
}

export function actorOf(principal: Principal): string {
  return principal.kind === "admin" ? "admin" : `user:${principal.userId}`;
}

/** A token of scope `read` may look, `metrics` may only scrape; null = allowed. */
export function scopeProblem(principal: Principal, access: "any" | "user" | "admin", writes: boolean): string | null {
  if (principal.kind === "admin" || principal.scope === "full" || access === "any") return null;
  if (principal.scope === "metrics") return "this token may only read /metrics and /api/v2/me";
  return writes ? "this token may only read" : null;
}
