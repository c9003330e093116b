/** What a database's refusal means to a caller: away for now, full, or broken. Errors that say neither are passed on as they are. */
import { AppError } from "../domain/app-error.ts";

/** SQLite result codes (sqlite.org/rescode.html): BUSY, LOCKED, READONLY, IOERR, CANTOPEN, PROTOCOL. */
const SQLITE_AWAY: ReadonlySet<number> = new Set([5, 6, 8, 10, 14, 15]);
const SQLITE_FULL = 13;
/** Postgres SQLSTATE classes: connection, resources (53100 = disk full), operator intervention, system. */
const POSTGRES_AWAY = /^(08|53|57|58)/;
const POSTGRES_FULL = "53100";
const NETWORK_AWAY: ReadonlySet<string> = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "EPIPE",
  "ETIMEDOUT",
  "ENOTFOUND",
  "EAI_AGAIN",
  "EHOSTUNREACH",
]);

function away(cause: unknown): AppError {
  return new AppError("database_unavailable", "the database does not answer; try again, with the same Idempotency-Key where you gave one", {
    retryAfterS: 5,
    cause,
  });
}

function full(cause: unknown): AppError {
  return new AppError("storage_full", "the database has no space left; nothing was changed", { cause });
}

export function databaseTrouble(error: unknown): unknown {
  if (!(error instanceof Error)) return error;
  const { code, errcode } = error as { readonly code?: unknown; readonly errcode?: unknown };
  if (typeof errcode === "number") {
    const primary = errcode & 0xff;
    if (primary === SQLITE_FULL) return full(error);
    return SQLITE_AWAY.has(primary) ? away(error) : error;
  }
  if (error.message === "database is not open" || /connection terminated|timeout exceeded when trying to connect/i.test(error.message))
    return away(error);
  if (typeof code !== "string") return error;
  if (code === POSTGRES_FULL) return full(error);
  return POSTGRES_AWAY.test(code) || NETWORK_AWAY.has(code) ? away(error) : error;
}

type Methods = { readonly [name: string]: (...args: never[]) => Promise<unknown> };

/** The same methods, rejecting with what the trouble means. */
export function withTrouble<T extends Methods>(methods: T): T {
  const wrapped = Object.entries(methods).map(([name, method]) => [
    name,
    async (...args: never[]): Promise<unknown> => {
      try {
        return await method(...args);
      } catch (error) {
        throw databaseTrouble(error);
      }
    },
  ]);
  return Object.fromEntries(wrapped) as T;
}
