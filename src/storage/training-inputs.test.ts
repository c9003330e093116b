/** Real parquet footers (test/fixtures/parquet, written by pyarrow 21), a model's config, and what a code tree checks. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import type { TrainingInputs } from "../domain/preflight.ts";
import { readTrainingInputs } from "./training-inputs.ts";

const FIXTURES = new URL("../../test/fixtures/parquet/", import.meta.url).pathname;

let root = "";

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "verlpool-inputs-"));
  put("common/data/rl.parquet", fixture("rl"));
});

afterEach(() => rmSync(root, { recursive: true, force: true }));

function fixture(name: string): Buffer {
  return readFileSync(join(FIXTURES, `${name}.parquet`));
}

function put(path: string, bytes: string | Buffer): string {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), bytes);
  return join(root, path);
}

function look(train = "data/rl.parquet", val: string | null = null, modelId = "/private/common/models/m"): TrainingInputs {
  const common = (path: string): string => `/private/common/${path}`;
  return readTrainingInputs(
    { root, allowedSymlinkTargets: [] },
    { codePath: common("code/verl"), modelId, trainFile: common(train), valFile: val === null ? null : common(val) },
  );
}

it("reads rows and the shapes of columns, in today's spelling of lists and in the old one", () => {
  put("common/data/sft.parquet", fixture("sft-old-lists"));
  put("common/data/text.parquet", fixture("text"));
  const { train, val } = look("data/rl.parquet", "data/sft.parquet");
  expect(train).toEqual({
    kind: "parquet",
    rows: 512,
    columns: [
      { name: "data_source", shape: "text", fields: [] },
      { name: "prompt", shape: "messages", fields: ["role", "content"] },
      { name: "ability", shape: "text", fields: [] },
      { name: "reward_model", shape: "struct", fields: ["style", "ground_truth"] },
    ],
  });
  expect(val).toMatchObject({
    rows: 4,
    columns: [
      { name: "messages", shape: "messages" },
      { name: "n", shape: "other" },
    ],
  });
  expect(look("data/text.parquet").train).toMatchObject({
    columns: [{ shape: "text" }, { shape: "text" }, { name: "tags", shape: "list" }],
  });
});

it("a file cut short anywhere, and a footer with flipped bytes, is told and never thrown", () => {
  const whole = fixture("rl");
  const path = put("common/data/part.parquet", whole);
  for (let size = whole.length - 1; size >= 0; size -= size > whole.length - 12 ? 1 : 61) {
    truncateSync(path, size);
    expect(look("data/part.parquet").train.kind).toBe("unreadable");
  }
  for (let at = Math.floor(whole.length / 2); at < whole.length; at += 23) {
    const bent = Buffer.from(whole);
    bent[at] = (bent[at] ?? 0) ^ 0xff;
    writeFileSync(path, bent);
    expect(["parquet", "unreadable"]).toContain(look("data/part.parquet").train.kind);
  }
});

it("a model is read by its config.json, as a path and from the hub's cache; parameters come from the weights", () => {
  expect(look().model).toEqual({ kind: "no_config" });
  put("common/models/m/config.json", "{");
  expect(look().model).toMatchObject({ kind: "bad_config" });
  put("common/models/m/config.json", "[]");
  expect(look().model).toEqual({ kind: "bad_config", why: "it names no model_type" });
  put("common/models/m/config.json", JSON.stringify({ model_type: "qwen2", torch_dtype: "bfloat16" }));
  expect(look().model).toEqual({ kind: "read", parameters: null });
  put("common/models/m/model-00001-of-00002.safetensors", Buffer.alloc(600));
  put("common/models/m/model-00002-of-00002.safetensors", Buffer.alloc(400));
  expect(look().model).toEqual({ kind: "read", parameters: 500 });
  put("common/hf/hub/models--o--m/snapshots/abc/config.json", JSON.stringify({ model_type: "llama", dtype: "float32" }));
  expect(look("data/rl.parquet", null, "o/m").model).toEqual({ kind: "read", parameters: null });
});

it("a config that leads out of common is none", () => {
  mkdirSync(join(root, "common/models/m"), { recursive: true });
  symlinkSync(put("users/bob/config.json", '{"model_type":"x"}'), join(root, "common/models/m/config.json"));
  expect(look().model).toEqual({ kind: "no_config" });
});

it("tells verl by its data set, and its check of the batch by the message", () => {
  expect(look()).toMatchObject({ isVerl: false, checksBatch: false });
  put("common/code/verl/verl/utils/dataset/rl_dataset.py", "class RLHFDataset: ...");
  put("common/code/verl/verl/utils/config.py", 'f"real_train_batch_size must be divisible by minimal possible batch size"');
  expect(look()).toMatchObject({ isVerl: true, checksBatch: true });
});
