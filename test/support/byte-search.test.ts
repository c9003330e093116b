import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { filesWithSecrets, holds } from "./byte-search.ts";

const TOKEN = "mvp_u_0123456789ABCDEFGHIJKLMNOPqrstuvwxyz";
const RANDOM_PART = TOKEN.slice(6, 36);

let dir = "";
beforeEach(() => (dir = mkdtempSync(join(tmpdir(), "byte-search-"))));
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const HIDDEN: readonly (readonly [how: string, content: Buffer])[] = [
  ["as it is", Buffer.from(`x${TOKEN}y`)],
  ["its random part", Buffer.from(`\0\xff${RANDOM_PART}`, "latin1")],
  ["in hex", Buffer.from(Buffer.from(TOKEN).toString("hex"))],
  ["in UTF-16", Buffer.from(`"${TOKEN}"`, "utf16le")],
  ...[0, 1, 2, 3].map(
    (before) =>
      [`in base64 behind ${before} bytes`, Buffer.from(Buffer.from(`${"b".repeat(before)}${TOKEN}: x`).toString("base64"))] as const,
  ),
  ["in base64url", Buffer.from(Buffer.from(`user:${TOKEN}`).toString("base64url"))],
];

test.each(HIDDEN)("a token %s is found", (_, content) => {
  expect(holds(content, TOKEN)).toBe(true);
});

test("another token, or only its prefix, is not", () => {
  expect(holds(Buffer.from("mvp_u_zzz mvp_u_0123456789"), TOKEN)).toBe(false);
});

test("files are named with what they hold; links are not followed", () => {
  mkdirSync(join(dir, "a"));
  writeFileSync(join(dir, "a/log"), `said ${TOKEN}`);
  writeFileSync(join(dir, "other"), "nothing");
  symlinkSync(join(dir, "a/log"), join(dir, "link"));
  expect(filesWithSecrets([dir], { token: TOKEN })).toEqual([`${join(dir, "a/log")}: token`]);
});
