/** Bearer tokens: `mvp_u_` + 30 base62 + 6 base62 of the CRC-32 of all before, so that a mistyped one is refused without a look-up. */
import { createHash, randomInt, timingSafeEqual } from "node:crypto";
import { crc32 } from "node:zlib";

const ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const PREFIX = "mvp_u_";
const SECRET_LENGTH = 30;
const CHECK_LENGTH = 6;
const SHAPE = /^mvp_u_[0-9A-Za-z]{36}$/;

function checksum(body: string): string {
  let rest = crc32(body);
  let text = "";
  for (let i = 0; i < CHECK_LENGTH; i += 1) {
    text = (ALPHABET[rest % 62] ?? "") + text;
    rest = Math.floor(rest / 62);
  }
  return text;
}

/** A fresh token of about 178 bits; shown once, never stored. `random(62)` must be cryptographically strong. */
export function newToken(random: (below: number) => number = (below) => randomInt(below)): string {
  const body = PREFIX + Array.from({ length: SECRET_LENGTH }, () => ALPHABET[random(62)]).join("");
  return body + checksum(body);
}

/** Shape and checksum only: says nothing of whether the token was ever issued. */
export function looksLikeToken(text: string): boolean {
  if (!SHAPE.test(text)) return false;
  const body = text.slice(0, PREFIX.length + SECRET_LENGTH);
  return checksum(body) === text.slice(body.length);
}

/** What the database keeps of a token. */
export function tokenHash(token: string): string {
  return createHash("sha256").update(token, "utf8").digest("hex");
}

/** Equal texts, compared by digest in constant time, whatever their lengths. */
export function sameSecret(a: string, b: string): boolean {
  return timingSafeEqual(createHash("sha256").update(a, "utf8").digest(), createHash("sha256").update(b, "utf8").digest());
}
