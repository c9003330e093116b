import { appendFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type LogLimits, shipOnce, type Shipping } from "./shipped-log.ts";

const LARGE: LogLimits = { rotateBytes: 1 << 20, keep: 2, emptyBytes: 1 << 20, dropBytes: 1 << 20 };
let dir = "";

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "verlpool-shipped-"));
});
afterEach(() => rmSync(dir, { recursive: true }));

function shippingWith(limits: Partial<LogLimits>): Shipping {
  return {
    outputFile: join(dir, "output.log"),
    shippedFile: join(dir, "shipped"),
    logFile: join(dir, "root/common/logs/server.log"),
    limits: { ...LARGE, ...limits },
  };
}

test("each line reaches the shared log once, also over a restart of the supervisor and a mount that was away", async () => {
  const shipping = shippingWith({});
  writeFileSync(shipping.outputFile, "one\n");
  // In the way of the directory.
  writeFileSync(join(dir, "root"), "");
  await expect(shipOnce(shipping)).rejects.toThrow(/EEXIST|ENOTDIR/);
  rmSync(join(dir, "root"));
  appendFileSync(shipping.outputFile, "two\n");
  await shipOnce(shipping);
  await shipOnce({ ...shipping });
  appendFileSync(shipping.outputFile, "three\n");
  await shipOnce(shipping);
  expect(readFileSync(shipping.logFile, "utf8")).toBe("one\ntwo\nthree\n");
  expect(statSync(shipping.logFile).mode & 0o777).toBe(0o600);
});

test("a log that has grown is moved aside, and only so many are kept", async () => {
  const shipping = shippingWith({ rotateBytes: 8, keep: 2 });
  writeFileSync(shipping.outputFile, "");
  for (const line of ["first\n", "second\n", "third\n", "fourth\n"]) {
    appendFileSync(shipping.outputFile, line);
    await shipOnce(shipping);
  }
  const kept = ["", ".1", ".2"].map((age) => readFileSync(`${shipping.logFile}${age}`, "utf8"));
  expect(kept).toEqual(["fourth\n", "third\n", "second\n"]);
  expect(existsSync(`${shipping.logFile}.3`)).toBe(false);
});

test("the file on our own disk is emptied once all of it is carried over, and what follows is carried too", async () => {
  const shipping = shippingWith({ emptyBytes: 4 });
  writeFileSync(shipping.outputFile, "a long line\n");
  await shipOnce(shipping);
  expect(statSync(shipping.outputFile).size).toBe(0);
  appendFileSync(shipping.outputFile, "next\n");
  await shipOnce(shipping);
  expect(readFileSync(shipping.logFile, "utf8")).toBe("a long line\nnext\n");
});

test("a link in the place of the log is not followed", async () => {
  const shipping = shippingWith({});
  writeFileSync(shipping.outputFile, "secret\n");
  mkdirSync(join(dir, "root/common/logs"), { recursive: true });
  symlinkSync(join(dir, "victim"), shipping.logFile);
  await expect(shipOnce(shipping)).rejects.toThrow("ELOOP");
  expect(existsSync(join(dir, "victim"))).toBe(false);
});
