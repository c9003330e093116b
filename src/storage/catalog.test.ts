import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { renderCatalog } from "../contract/catalog.ts";
import { readCatalog } from "./catalog.ts";

const FIXTURES = new URL("../../test/fixtures/parquet/", import.meta.url).pathname;
let root = "";

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "verlpool-catalog-"));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function put(path: string, text: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
}

const look = () => renderCatalog(readCatalog({ root, allowedSymlinkTargets: [] }));

it("finds code trees, models by path and in the hub's cache, and what each data set is for", () => {
  put("common/code/verl-0.9.1/verl/version/version", "0.9.1\n");
  put("common/code/ours/fork/verl/__init__.py", "");
  put("common/models/tiny/warm/config.json", '{"model_type":"llama"}');
  put("common/models/broken/config.json", "{");
  put("common/hf/hub/models--Qwen--Qwen2.5-0.5B/snapshots/abc/config.json", '{"model_type":"qwen2"}');
  put("common/datasets/d/README.md", "");
  put("common/datasets/d/half.parquet", "PAR1");
  copyFileSync(join(FIXTURES, "rl.parquet"), join(root, "common/datasets/d/train.parquet"));
  copyFileSync(join(FIXTURES, "sft-old-lists.parquet"), join(root, "common/datasets/d/sft.parquet"));
  const catalog = look();
  expect(catalog.code).toEqual([
    { path: "/private/common/code/ours/fork", verl_version: null },
    { path: "/private/common/code/verl-0.9.1", verl_version: "0.9.1" },
  ]);
  expect(catalog.models.map(({ model_id: id }) => id)).toEqual(["/private/common/models/tiny/warm", "Qwen/Qwen2.5-0.5B"]);
  expect(catalog.datasets.map(({ path, rows, workloads, problem }) => [path.split("/").at(-1), rows, workloads, problem])).toEqual([
    ["half.parquet", null, [], expect.stringContaining("still being written")],
    ["sft.parquet", 4, ["sft"], null],
    ["train.parquet", 512, ["ppo", "grpo"], null],
  ]);
  expect(catalog.truncated).toBe(false);
});

it("an empty root has an empty catalog; links out of common, and in circles, are not followed", () => {
  expect(look()).toEqual({ code: [], models: [], datasets: [], truncated: false });
  put("users/bob/datasets/secret.parquet", "PAR1");
  mkdirSync(join(root, "common/datasets"), { recursive: true });
  symlinkSync(join(root, "users/bob"), join(root, "common/datasets/bob"));
  symlinkSync(join(root, "common/datasets"), join(root, "common/datasets/again"));
  expect(look()).toMatchObject({ datasets: [], truncated: false });
});
