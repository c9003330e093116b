/** Callers, and an audit row for tests that are about something else. */
import type { Caller } from "../../src/control/audit.ts";
import type { AuditEntry } from "../../src/domain/audit.ts";
import { NOW } from "./task-samples.ts";

export const BY_ADMIN: Caller = { actor: "admin", from: "10.0.0.9", tokenId: null, requestId: "0123456789abcdef" };

export function byUser(userId: string): Caller {
  return { ...BY_ADMIN, actor: `user:${userId}`, tokenId: "tok_1" };
}

export const AUDIT: AuditEntry = { ...BY_ADMIN, at: NOW, action: "user.create", target: "x", userId: "x", data: {} };
