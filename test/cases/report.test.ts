import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createReport } from "../../scripts/cases/report.ts";
import { caseSettings } from "../../scripts/cases/settings.ts";

const printed: string[] = [];

beforeEach(() => {
  printed.length = 0;
  vi.spyOn(console, "log").mockImplementation((line: string) => void printed.push(line));
  vi.spyOn(console, "error").mockImplementation(() => undefined);
});
afterEach(() => vi.restoreAllMocks());

const fails = (): Promise<string> => Promise.reject(new Error("it broke\nin two lines"));

test("a case that fails is a row with its reason, the others still run, and the exit code says so", async () => {
  const report = createReport();
  await report.run("one", fails);
  await report.run("two", async () => "well");
  report.print();
  expect(printed.slice(1)).toEqual([
    expect.stringMatching(/^one {3}FAILED +0\.0 {2}it broke$/),
    expect.stringMatching(/^two {3}ok +0\.0 {2}well$/),
    "1 passed, 1 failed",
  ]);
  expect(report.exitCode()).toBe(1);
});

test("after a step that all stands on has failed, nothing more is run", async () => {
  const report = createReport();
  let ran = 0;
  await report.need("prepare", fails);
  await report.run("case", async () => String((ran += 1)));
  report.print();
  expect([ran, printed.at(-1), report.exitCode()]).toEqual([0, "0 passed, 2 failed", 1]);
});

test("what the scripts read has the contract's defaults, and nonsense is refused", () => {
  expect(caseSettings({ VERLPOOL_ROOT: "/srv/pool" }, false)).toMatchObject({
    root: "/srv/pool",
    token: "mvp-dev-token",
    resetDb: false,
    workers: 2,
    trainer: "verl",
    keep: false,
  });
  expect(caseSettings({ RESET_DB: "1", MVP_INTERNAL_TOKEN: "secret", KEEP: "1" }, false)).toMatchObject({
    resetDb: true,
    token: "secret",
    keep: true,
  });
  expect(caseSettings({ RESET_DB: "0" }, true)).toMatchObject({ resetDb: false, keep: true });
  expect(() => caseSettings({ WORKERS: "two" }, true)).toThrow("WORKERS must be a whole number");
  expect(() => caseSettings({ TRAINER: "trl" }, true)).toThrow("TRAINER must be verl or stub");
});
