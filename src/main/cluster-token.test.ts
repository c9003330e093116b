import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { clusterToken } from "./cluster-token.ts";

const settings = { rayTokenFile: null, sharedRoot: "/private", cluster: "default" };
const quiet = { debug: () => undefined, info: () => undefined, error: () => undefined };
let dir = "";

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "verlpool-token-"));
});
afterEach(() => rmSync(dir, { recursive: true }));

/** Each look takes the next answer; after the last one it is stopped. */
async function afterLooks(answers: readonly (string | null | Error)[]): Promise<{ file: string | null; warnings: number }> {
  const stop = new AbortController();
  const left = [...answers];
  let warnings = 0;
  const read = async (): Promise<string | null> => {
    const answer = left.shift() ?? null;
    if (answer instanceof Error) throw answer;
    return answer;
  };
  const sleep = async (): Promise<void> => {
    if (left.length === 0) stop.abort();
    await Promise.resolve();
  };
  const clock = { now: () => 0, monotonicMs: () => 0, sleep };
  const token = clusterToken(settings, read, { VERLPOOL_STATE_DIR: dir }, clock, { ...quiet, warn: () => (warnings += 1) });
  await token.run(stop.signal);
  return { file: token.file(), warnings };
}

test("the token that the head keeps is copied to this machine, for its owner alone, and a new one replaces it", async () => {
  const { file } = await afterLooks([null, "first", "second"]);
  expect(readFileSync(file ?? "", "utf8")).toBe("second");
  expect(statSync(file ?? "").mode & 0o777).toBe(0o600);
});

test("storage that does not answer takes nothing back and is told once; a token that is gone is", async () => {
  const hung = await afterLooks(["first", new Error("hangs"), new Error("hangs")]);
  expect([hung.file !== null, hung.warnings]).toEqual([true, 1]);
  expect((await afterLooks(["first", null])).file).toBeNull();
});

test("a token file that was named is taken as it is", () => {
  const clock = { now: () => 0, monotonicMs: () => 0, sleep: () => Promise.resolve() };
  const named = { ...settings, rayTokenFile: "/etc/ray-token" };
  expect(clusterToken(named, () => Promise.reject(new Error("unasked")), {}, clock, { ...quiet, warn: () => undefined }).file()).toBe(
    "/etc/ray-token",
  );
});
