/** `verlpool prepare` with a real Python environment: everything is re-used, and what a kill left half-made is done again. */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { PREPARE_DEFAULTS, prepareRoot } from "../../src/main/local/prepare-command.ts";
import { demoPaths } from "../../src/pool/prepare/demo-files.ts";
import { pullFromHub } from "../../src/pool/prepare/hub.ts";
import { findTagged } from "../../src/pool/tagged-processes.ts";
import { prepareTestRoot, testRoot } from "../support/prepared-root.ts";
import { pythonFrom } from "../support/real-ray.ts";

const PREPARE_MODULE = join(import.meta.dirname, "../../src/main/local/prepare-command.ts");

describe("the root of the test suite", () => {
  test("is prepared once: a second prepare re-uses every step", async () => {
    const signal = AbortSignal.timeout(1_500_000);
    const first = await prepareTestRoot(testRoot(), signal);
    const second = await prepareTestRoot(testRoot(), signal);
    expect(second.steps.map((step) => [step.name, step.reused])).toEqual(
      ["modules", "environment", "code", "demo", "profiles"].map((name) => [name, true]),
    );
    expect({ ...second, steps: [] }).toEqual({ ...first, steps: [] });
    expect(existsSync(join(testRoot(), "common", "code", `verl-${second.verlVersion}`, "verl", "version", "version"))).toBe(true);
    for (const path of Object.values(demoPaths(join(testRoot(), "common")))) expect(existsSync(path), path).toBe(true);
  }, 1_600_000);
});

describe("a prepare that was killed in the middle of a step", () => {
  let root = "";
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), "verlpool-prepare-"));
  });
  afterEach(() => rm(root, { recursive: true, force: true }));

  test("leaves nothing that looks complete; the next one ends its left programs, keeps the finished steps and does that step again", async () => {
    const python = pythonFrom("VERLPOOL_TEST_PYTHON");
    await killInDemo(root, python);
    expect(existsSync(join(root, "common", "models", "verlpool-demo"))).toBe(false);
    const orphans = findTagged(`prepare:${root}`);
    expect(orphans.length).toBeGreaterThan(0);

    const lines: string[] = [];
    const abort = new AbortController();
    const write = (chunk: string | Uint8Array): Promise<void> => {
      const line = String(chunk);
      lines.push(line);
      // As far as needed: the step began anew and works.
      if (line.includes("warm start: step 0")) abort.abort(new Error("seen enough"));
      return Promise.resolve();
    };
    const again = prepareRoot(root, { ...PREPARE_DEFAULTS, existingPython: python }, process.env, { write, isTTY: false }, abort.signal);
    await expect(again).rejects.toThrow("seen enough");

    const text = lines.join("");
    for (const step of ["modules", "environment", "code"]) expect(text).toContain(`  ${step}: there already`);
    expect(text).toContain("  demo: make the demo's model");
    expect(findTagged(`prepare:${root}`).filter((left) => orphans.some((one) => one.pid === left.pid))).toEqual([]);
    // The one half-made directory is the aborted run's own; the killed one's is gone.
    const halfMade = (await readdir(join(root, "common", "models"))).filter((name) => name.includes(".making-"));
    expect(halfMade.length).toBeLessThanOrEqual(1);
    expect(existsSync(join(root, "common", "verlpool", "prepare.lock"))).toBe(false);
  }, 600_000);
});

test("a pull from a hub that can't be reached says so and what to do", async () => {
  const root = await mkdtemp(join(tmpdir(), "verlpool-hub-"));
  try {
    // Nothing listens on port 9 of this machine.
    const env = { PATH: process.env["PATH"] ?? "", HOME: root, HF_ENDPOINT: "http://127.0.0.1:9", HF_HUB_OFFLINE: "1" };
    const pull = {
      kind: "model",
      id: "some-owner/some-model",
      revision: null,
      root,
      python: pythonFrom("VERLPOOL_TEST_PYTHON"),
      env,
    } as const;
    await expect(pullFromHub(pull, () => undefined, AbortSignal.timeout(300_000))).rejects.toThrow(
      /could not pull the model some-owner\/some-model: the hub can't be reached[\s\S]*HF_ENDPOINT/,
    );
  } finally {
    await rm(root, { recursive: true, force: true });
  }
});

/** Starts prepare in a process of its own and kills that process, and nothing else, while the demo's model is being trained. */
async function killInDemo(root: string, python: string): Promise<void> {
  const script = `
    import { PREPARE_DEFAULTS, prepareRoot } from ${JSON.stringify(PREPARE_MODULE)};
    const write = async (text) => void process.stdout.write(text);
    const flags = { ...PREPARE_DEFAULTS, existingPython: ${JSON.stringify(python)} };
    await prepareRoot(${JSON.stringify(root)}, flags, process.env, { write, isTTY: false }, new AbortController().signal);
  `;
  const program = spawn(process.execPath, ["--input-type=module", "-e", script], { stdio: ["ignore", "pipe", "pipe"] });
  const said: string[] = [];
  program.stderr.on("data", (chunk: Buffer) => said.push(chunk.toString()));
  const ended = new Promise<void>((resolve) => {
    program.once("close", () => resolve());
  });
  for await (const line of createInterface({ input: program.stdout })) {
    said.push(`${line}\n`);
    if (line.includes("warm start: step 0")) program.kill("SIGKILL");
  }
  await ended;
  if (program.signalCode !== "SIGKILL") throw new Error(`prepare ended before it could be killed:\n${said.join("")}`);
}
