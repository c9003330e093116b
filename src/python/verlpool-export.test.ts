/** verlpool_export with a stand-in of verl's merger: the folder appears whole or not at all. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";

let dir = "";
let source = "";
let target = "";
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "verlpool-export-"));
  source = join(dir, "job/checkpoints/global_step_3");
  target = join(dir, "job/export/step_3");
  mkdirSync(join(source, "huggingface"), { recursive: true });
  for (const name of ["fsdp_config.json", "huggingface/config.json"]) writeFileSync(join(source, name), "{}");
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

/** `end`: what the merger does after it has written half of its files. */
function run(end: string) {
  mkdirSync(join(dir, "verl/model_merger"), { recursive: true });
  writeFileSync(join(dir, "verl/__init__.py"), "");
  writeFileSync(join(dir, "verl/model_merger/__init__.py"), "");
  const merger = `
import os, sys
words = dict(zip(sys.argv[2::2], sys.argv[3::2]))
assert sys.argv[1] == "merge" and words["--backend"] == "fsdp", sys.argv
folder = words["--target_dir"]
open(folder + "/model.safetensors", "w").write(words["--local_dir"])
${end}
open(folder + "/config.json", "w").write("{}")
`;
  writeFileSync(join(dir, "verl/model_merger/__main__.py"), merger);
  const env = { PATH: process.env["PATH"] ?? "", PYTHONPATH: `${dir}:${import.meta.dirname}`, PYTHONDONTWRITEBYTECODE: "1" };
  return spawnSync("python3", ["-m", "verlpool_export", source, target], { env, encoding: "utf8" });
}

test("a merge that ends well is renamed into place, past what a killed one left; asked again it is left as it is", () => {
  mkdirSync(join(dir, "job/export/.step_3.99"), { recursive: true });
  expect(run("")).toMatchObject({ status: 0, stdout: `verlpool export: wrote ${target}\n` });
  expect(readdirSync(join(dir, "job/export"))).toEqual(["step_3"]);
  expect(readFileSync(join(target, "model.safetensors"), "utf8")).toBe(source);
  expect(run("sys.exit(5)")).toMatchObject({ status: 0, stdout: `verlpool export: ${target} is there already\n` });
});

test.each([
  ["fails", "sys.exit(5)", 5, ""],
  ["is killed", "os.kill(os.getpid(), 9)", 137, "lack of memory"],
  ["writes no model", "os._exit(0)", 1, "no config.json"],
])("a merger that %s leaves nothing and says so", (_, end, status, text) => {
  const ran = run(end);
  expect(ran.status).toBe(status);
  expect(ran.stdout).toContain(text);
  expect(readdirSync(join(dir, "job/export"))).toEqual([]);
});

test("a checkpoint without what the merger reads is refused by the names that are missing", () => {
  rmSync(join(source, "fsdp_config.json"));
  const ran = run("");
  expect(ran.status).toBe(2);
  expect(ran.stdout).toContain("has no fsdp_config.json");
  expect(existsSync(target)).toBe(false);
});
