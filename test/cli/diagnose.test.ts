import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { cliWorld } from "../support/cli-world.ts";

let directory = "";
beforeAll(async () => void (directory = await mkdtemp(join(tmpdir(), "verlpool-diagnose-"))));
afterAll(() => rm(directory, { recursive: true, force: true }));

const SHORTAGE = "ValueError: Total available GPUs 4.0 is less than total desired GPUs 8";

async function logFile(name: string, content: string | Uint8Array): Promise<string> {
  const path = join(directory, name);
  await writeFile(path, content);
  return path;
}

test("a log is diagnosed without a server, for people", async () => {
  const cli = cliWorld({ env: {} });
  const log = await logFile("a.log", `starting\n\u001b[36m(TaskRunner pid=7)\u001b[0m ${SHORTAGE}\u0007\n`);
  expect(await cli.run("diagnose", "--log", log)).toBe(0);
  expect(cli.calls).toEqual([]);
  expect(cli.stderr()).toBe("");
  expect(cli.stdout()).toBe(`gpu_shortage  blame: infra; is tried again by itself
  2 | (TaskRunner pid=7) ${SHORTAGE}\\x07

verl asked for 8 GPUs and found 4.0 free in the whole Ray cluster.

What to do: Under verlpool nothing to do: the task waits and is tried again when the GPUs are free. If the pool never has that many, lower nnodes × n_gpus_per_node.
`);
});

test("and as JSON with exactly the promised fields", async () => {
  const cli = cliWorld({ stdin: `${SHORTAGE}\n` });
  expect(await cli.run("diagnose", "--log", "-", "--json")).toBe(0);
  const answer: unknown = JSON.parse(cli.stdout());
  expect(Object.keys(answer as object)).toEqual(["label", "blame", "retryable", "evidence", "explanation", "fix"]);
  expect(answer).toMatchObject({ label: "gpu_shortage", blame: "infra", retryable: true, evidence: [{ line: 1, text: SHORTAGE }] });
});

test("what Ray says counts, as a line without a number", async () => {
  const cli = cliWorld({ stdin: "" });
  const message = "Unexpected error occurred: 1 worker(s) were killed due to the node running low on memory.";
  expect(await cli.run("diagnose", "--log", "-", "--ray-message", message, "--json")).toBe(0);
  expect(JSON.parse(cli.stdout())).toMatchObject({ label: "host_oom", evidence: [{ line: null, text: message }] });
});

test("not to know is an answer, not an error", async () => {
  const cli = cliWorld({ stdin: "step:1 - loss:0.1\n" });
  expect(await cli.run("diagnose", "--log", "-")).toBe(0);
  expect(cli.stdout()).toMatch(/^unknown\n\nNothing in this log says that something failed\.\n/);
});

test("a missing file, a folder and a missing option are usage errors that say so", async () => {
  const missing = cliWorld();
  expect(await missing.run("diagnose", "--log", join(directory, "nope\u001b[31m.log"))).toBe(2);
  expect(missing.stderr()).toContain(String.raw`there is no file ${directory}/nope\x1b[31m.log`);
  expect(missing.stdout()).toBe("");
  const folder = cliWorld();
  expect(await folder.run("diagnose", "--log", directory)).toBe(2);
  expect(folder.stderr()).toContain("is a folder");
  const without = cliWorld();
  expect(await without.run("diagnose")).toBe(2);
  expect(without.stderr()).toContain("--log");
});

test("of a big log head and tail are read, with true line numbers, also where bytes are no UTF-8", async () => {
  const noise = Buffer.concat([Buffer.from([0xff, 0xfe, 0x80]), Buffer.from(` ${"n".repeat(120)}\n`)]);
  const lines = 60_000;
  const head = await logFile("head.log", Buffer.concat([Buffer.from(`${SHORTAGE}\n`), Buffer.alloc(noise.length * lines, noise)]));
  const tail = await logFile("tail.log", Buffer.concat([Buffer.alloc(noise.length * lines, noise), Buffer.from(`${SHORTAGE}\n`)]));
  const middle = await logFile(
    "middle.log",
    Buffer.concat([Buffer.alloc(noise.length * 8_000, noise), Buffer.from(`${SHORTAGE}\n`), Buffer.alloc(noise.length * lines, noise)]),
  );
  const read = async (path: string): Promise<unknown> => {
    const cli = cliWorld();
    expect(await cli.run("diagnose", "--log", path, "--json")).toBe(0);
    return JSON.parse(cli.stdout());
  };
  expect(await read(head)).toMatchObject({ label: "gpu_shortage", evidence: [{ line: 1 }] });
  expect(await read(tail)).toMatchObject({ label: "gpu_shortage", evidence: [{ line: lines + 1 }] });
  expect(await read(middle)).toMatchObject({ label: "unknown" });
});
