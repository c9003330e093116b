/** Opaque list cursors, bound to the caller and the filter by a MAC: one user's cursor is worthless to another. */
import { createHmac, timingSafeEqual } from "node:crypto";
import { AppError } from "../domain/app-error.ts";

export type Cursors = {
  readonly make: (position: string, bound: string) => string;
  /** Throws AppError bad_cursor for anything not made by `make` with the same `bound`. */
  readonly read: (cursor: string, bound: string) => string;
};

export type PageRequest = { readonly cursor: string | null; readonly limit: number };

/** One page of a list that is short enough to be read whole; `keyOf` is unique in it. */
export function pageOf<Row>(
  rows: readonly Row[],
  keyOf: (row: Row) => string,
  { cursor, limit }: PageRequest,
  cursors: Cursors,
  bound: string,
): { readonly rows: readonly Row[]; readonly nextCursor: string | null } {
  const after = cursor === null ? null : cursors.read(cursor, bound);
  const last = after === null ? -1 : rows.findIndex((row) => keyOf(row) === after);
  if (after !== null && last === -1) throw new AppError("bad_cursor", "the list has changed since; start again without the cursor");
  const page = rows.slice(last + 1, last + 1 + limit);
  const end = page.at(-1);
  return { rows: page, nextCursor: end !== undefined && last + 1 + limit < rows.length ? cursors.make(keyOf(end), bound) : null };
}

const MAC_BYTES = 16;

/** `secret` lives as long as the process or the database: a cursor is a convenience, not a right. */
export function cursors(secret: string): Cursors {
  const mac = (position: string, bound: string): Buffer =>
    createHmac("sha256", secret).update(`${position}\n${bound}`).digest().subarray(0, MAC_BYTES);
  return {
    make: (position, bound) => `${Buffer.from(position).toString("base64url")}.${mac(position, bound).toString("base64url")}`,
    read: (cursor, bound) => {
      const [encoded = "", tag = "", ...more] = cursor.split(".");
      const position = Buffer.from(encoded, "base64url").toString();
      const given = Buffer.from(tag, "base64url");
      if (more.length > 0 || given.length !== MAC_BYTES || !timingSafeEqual(given, mac(position, bound))) {
        throw new AppError("bad_cursor", "the cursor is not valid for this caller and these filters; start again without it");
      }
      return position;
    },
  };
}
