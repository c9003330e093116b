/**
 * The operator's two scripts, by name, on one root: the happy path with real verl, then every case with the stub trainer (verl's own part of those was
 * shown a minute before). Between them `doctor` looks at the living pool.
 */
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { testPrepareFlags, testRoot } from "../support/prepared-root.ts";

const CHECKOUT = join(import.meta.dirname, "../..");
const LONG_MS = 1_200_000;

type Ran = { readonly code: number; readonly stdout: string; readonly stderr: string };

let home = "";
let root = "";
let environment: { [name: string]: string } = {};

beforeAll(() => {
  root = testRoot();
  home = mkdtempSync(join(tmpdir(), "vp-ops-"));
  const { existingPython } = testPrepareFlags(root);
  environment = {
    ...(Object.fromEntries(Object.entries(process.env).filter(([, value]) => value !== undefined)) as { [name: string]: string }),
    HOME: home,
    XDG_CONFIG_HOME: join(home, "config"),
    VERLPOOL_STATE_DIR: join(home, "state"),
    VERLPOOL_ROOT: root,
    MVP_INTERNAL_TOKEN: "mvp-dev-token",
    RESET_DB: "1",
    ...(existingPython === null ? {} : { VERLPOOL_EXISTING_PYTHON: existingPython }),
  };
});

afterAll(async () => {
  const { stdout } = await run(join(CHECKOUT, "bin/verlpool"), ["clean", "--root", root]);
  if (stdout.includes("not done:")) throw new Error(stdout);
  rmSync(home, { recursive: true, force: true });
}, LONG_MS);

function run(command: string, args: readonly string[], more: { readonly [name: string]: string } = {}): Promise<Ran> {
  return new Promise((resolve) => {
    execFile(command, args, { env: { ...environment, ...more }, maxBuffer: 64 << 20, cwd: "/" }, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : Number(error.code ?? 1), stdout, stderr }),
    );
  });
}

/** Case → result, from the table on stdout. */
function resultsOf({ stdout }: Ran): { readonly [name: string]: string } {
  const rows = stdout.split("\n").flatMap((line) => /^(.+?) {2,}(ok|FAILED|not run) /.exec(line)?.slice(1, 3) ?? []);
  return Object.fromEntries(Array.from({ length: rows.length / 2 }, (_, index) => [rows[2 * index] ?? "", rows[2 * index + 1] ?? ""]));
}

test(
  "run_all_v25_api.sh builds a cluster from nothing and trains PPO, GRPO and SFT with real verl over the API",
  async () => {
    const ran = await run(join(CHECKOUT, "scripts/run_all_v25_api.sh"), [], { STEPS: "1", KEEP: "1" });
    expect(ran.code, `${ran.stdout}\n${ran.stderr}`).toBe(0);
    expect(resultsOf(ran)).toMatchObject({
      clean: "ok",
      "reset the database": "ok",
      prepare: "ok",
      "start the API": "ok",
      "PPO succeeds": "ok",
      "GRPO succeeds": "ok",
      "SFT succeeds": "ok",
    });
    expect(ran.stdout).toMatch(/\d+ passed, 0 failed\n$/);
  },
  LONG_MS,
);

test("doctor finds that pool well, and proves with a job that a worker's file is read here", async () => {
  const { code, stdout, stderr } = await run(join(CHECKOUT, "bin/verlpool"), ["doctor", "--root", root, "--json"]);
  const { checks } = JSON.parse(stdout) as { readonly checks: readonly { readonly name: string; readonly status: string }[] };
  const statuses = Object.fromEntries(checks.map(({ name, status }) => [name, status]));
  expect(statuses, stderr).toMatchObject({
    link: "ok",
    O_EXCL: "ok",
    head: "ok",
    versions: "ok",
    "Ray's door": "ok",
    "worker's file": "ok",
  });
  expect([code, checks.filter(({ status }) => status === "fail")]).toEqual([0, []]);
});

test(
  "run_e2e_v25_cases.sh passes every case, and takes down what the first script left",
  async () => {
    const ran = await run(join(CHECKOUT, "scripts/run_e2e_v25_cases.sh"), [], { TRAINER: "stub" });
    expect(ran.code, `${ran.stdout}\n${ran.stderr}`).toBe(0);
    const results = resultsOf(ran);
    expect(Object.values(results).filter((result) => result !== "ok")).toEqual([]);
    for (const what of [
      "auth",
      "isolation",
      "bad input",
      "shortage",
      "cancel while QUEUED",
      "cancel while RUNNING",
      "head restart",
      "worker loss",
    ])
      expect(
        Object.keys(results).some((name) => name.startsWith(what)),
        what,
      ).toBe(true);
  },
  LONG_MS,
);

test(
  "a script that fails says so in its table and by its exit code",
  async () => {
    const ran = await run(join(CHECKOUT, "scripts/run_all_v25_api.sh"), [], { VERLPOOL_EXISTING_PYTHON: join(home, "none"), KEEP: "0" });
    expect(ran.code).toBe(1);
    expect(resultsOf(ran)).toMatchObject({ prepare: "FAILED", "start the API": "not run" });
  },
  LONG_MS,
);
