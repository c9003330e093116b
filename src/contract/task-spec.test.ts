import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { SPEC_FIELDS } from "../domain/verl/spec-rules.ts";
import { specText } from "../../test/support/task-spec-text.ts";
import type { FieldError } from "./problem.ts";
import { parseTaskSpec } from "./task-spec.ts";

const parse = (text: string | Uint8Array, ignoredFields: readonly string[] = []) =>
  parseTaskSpec(text, { ignoredFields: [...ignoredFields] });

function errorsOf(text: string | Uint8Array): readonly FieldError[] {
  const result = parse(text);
  return result.ok ? [] : result.errors;
}

function specOf(text: string) {
  const result = parse(text);
  if (!result.ok) throw new Error(JSON.stringify(result.errors));
  return result.spec;
}

describe("a TaskSpec that holds", () => {
  it("gives the spec with the defaults of the contract", () => {
    expect(specOf(specText())).toEqual({
      workload: "ppo",
      codePath: "/private/common/code/verl-0.9.1",
      modelId: "Qwen/Qwen2.5-0.5B-Instruct",
      trainFile: "/private/common/datasets/gsm8k/train.parquet",
      valFile: "/private/common/datasets/gsm8k/test.parquet",
      nnodes: 2,
      nGpusPerNode: 4,
      totalEpochs: 1,
      totalTrainingSteps: null,
      saveFreq: 10,
      testFreq: -1,
      trainerDevice: null,
    });
  });

  it.each<[string, { [field: string]: string | null }, object]>([
    ["workload: grpo", { workload: "grpo" }, { workload: "grpo" }],
    ["workload: sft needs no val_file", { workload: "sft", val_file: null }, { workload: "sft", valFile: null }],
    ["val_file may be null for sft", { workload: "sft", val_file: "null" }, { valFile: null }],
    ["val_file may be ~ for sft", { workload: "sft", val_file: "~" }, { valFile: null }],
    ["val_file may stand for sft", { workload: "sft" }, { valFile: "/private/common/datasets/gsm8k/test.parquet" }],
    ["model_id may be a path under /private/common", { model_id: "/private/common/models/m" }, { modelId: "/private/common/models/m" }],
    ["nnodes: 1", { nnodes: "1" }, { nnodes: 1 }],
    ["n_gpus_per_node: 8", { n_gpus_per_node: "8" }, { nGpusPerNode: 8 }],
    ["total_epochs: 30", { total_epochs: "30" }, { totalEpochs: 30 }],
    ["total_training_steps: null", { total_training_steps: "null" }, { totalTrainingSteps: null }],
    ["total_training_steps: 12", { total_training_steps: "12" }, { totalTrainingSteps: 12 }],
    ["save_freq: -1 is never", { save_freq: "-1" }, { saveFreq: -1 }],
    ["test_freq: 1", { test_freq: "1" }, { testFreq: 1 }],
    ["trainer_device: cpu", { trainer_device: "cpu" }, { trainerDevice: "cpu" }],
    ["trainer_device: cuda", { trainer_device: "cuda" }, { trainerDevice: "cuda" }],
    ["trainer_device: null", { trainer_device: "null" }, { trainerDevice: null }],
    ["a quoted path", { code_path: '"/private/common/code/v"' }, { codePath: "/private/common/code/v" }],
    ["a value with a comment behind it", { nnodes: "3 # three" }, { nnodes: 3 }],
    ["a tab between colon and value", { nnodes: "\t3" }, { nnodes: 3 }],
  ])("accepts %s", (_, changes, expected) => {
    expect(specOf(specText(changes))).toMatchObject(expected);
  });

  it.each<[string, string]>([
    ["CRLF line ends", specText().replaceAll("\n", "\r\n")],
    ["a document start", `---\n${specText()}`],
    ["a document end", `${specText()}...\n`],
    ["comments in any language", `# 训练 GRPO\n${specText()}`],
    ["no line end after the last line", specText().trimEnd()],
    [
      "one mapping in braces, as JSON is",
      JSON.stringify(
        Object.fromEntries(
          specText()
            .trim()
            .split("\n")
            .map((line) => line.split(": ")),
        ),
      ),
    ],
  ])("accepts %s", (_, text) => {
    expect(specOf(text)).toEqual(specOf(specText()));
  });

  it("is the same from bytes as from text", () => {
    expect(parse(new TextEncoder().encode(specText()))).toEqual(parse(specText()));
  });

  it("ignores submission_id with a warning", () => {
    const result = parse(specText({ submission_id: "old-1" }));
    expect(result).toMatchObject({ ok: true, warnings: [{ code: "submission_id_ignored", field: "submission_id" }] });
    expect(JSON.stringify(result)).not.toContain("old-1");
  });

  it("accepts a field that the operator lists as ignored, with a warning that names it", () => {
    const result = parse(specText({ old_key: "3" }), ["old_key"]);
    expect(result).toMatchObject({ ok: true, warnings: [{ code: "ignored_field", field: "old_key" }] });
  });

  it("does not ignore __proto__ even when an operator lists it", () => {
    expect(parse(specText({ ["__proto__"]: "3" }), ["__proto__"]).ok).toBe(false);
  });

  it("warns that test_freq has no effect for sft without a val_file", () => {
    const result = parse(specText({ workload: "sft", val_file: null, test_freq: "5" }));
    expect(result).toMatchObject({ ok: true, warnings: [{ code: "test_freq_without_val_file", field: "test_freq" }] });
  });

  it("fills every field of TaskSpec that the table of rules names, and no other", () => {
    const keys = Object.values(SPEC_FIELDS).flatMap((rule) => (rule.key === null ? [] : [rule.key]));
    expect(Object.keys(specOf(specText())).sort()).toEqual(keys.sort());
  });
});

describe("a rule of the contract that is broken", () => {
  it.each<[string, { [field: string]: string | null }, string, RegExp]>([
    ["workload is required", { workload: null }, "workload", /missing/],
    ["workload is ppo, grpo or sft", { workload: "dpo" }, "workload", /none of the allowed words/],
    ["workload is spelled in lower case", { workload: "PPO" }, "workload", /not spelled ppo/],
    ["workload is not null", { workload: "" }, "workload", /none of the allowed/],
    ["code_path is required", { code_path: null }, "code_path", /missing/],
    ["code_path is under /private/common/", { code_path: "/opt/verl" }, "code_path", /not under \/private\/common/],
    ["code_path is not null", { code_path: "null" }, "code_path", /null/],
    ["model_id is required", { model_id: null }, "model_id", /missing/],
    ["model_id has an owner", { model_id: "gpt2" }, "model_id", /no owner/],
    ["model_id has one slash", { model_id: "a/b/c" }, "model_id", /more than one/],
    ["model_id has at most 96 characters a side", { model_id: `a/${"b".repeat(97)}` }, "model_id", /96/],
    ["model_id has no --, which no repo id has", { model_id: "a/b--c" }, "model_id", /--/],
    ["train_file is required", { train_file: null }, "train_file", /missing/],
    ["train_file is parquet", { train_file: "/private/common/d/train.json" }, "train_file", /\.parquet/],
    ["val_file is required for ppo", { val_file: null }, "val_file", /needed for ppo/],
    ["val_file is required for grpo", { workload: "grpo", val_file: "null" }, "val_file", /needed for grpo/],
    ["val_file is parquet", { val_file: "/private/common/d/test" }, "val_file", /\.parquet/],
    ["nnodes is at least 1", { nnodes: "0" }, "nnodes", /too small/],
    ["nnodes is at most 4096", { nnodes: "4097" }, "nnodes", /too big/],
    ["n_gpus_per_node is at least 1", { n_gpus_per_node: "0" }, "n_gpus_per_node", /too small/],
    ["total_epochs is at least 1", { total_epochs: "0" }, "total_epochs", /too small/],
    ["total_training_steps is at least 1 or null", { total_training_steps: "0" }, "total_training_steps", /too small/],
    ["save_freq 0 crashes verl", { save_freq: "0" }, "save_freq", /crashes verl: write -1/],
    ["save_freq null crashes verl", { save_freq: "null" }, "save_freq", /null/],
    ["save_freq is not below -1", { save_freq: "-2" }, "save_freq", /too small/],
    ["test_freq 0 crashes verl", { test_freq: "0" }, "test_freq", /crashes verl: write -1/],
    ["test_freq null crashes verl", { test_freq: "" }, "test_freq", /null/],
    ["trainer_device is cuda, cpu or null", { trainer_device: "npu" }, "trainer_device", /none of the allowed/],
    ["an unknown field is an error that names the field", { colour: "red" }, "colour", /not a field/],
    ["an unknown field suggests the nearest", { trian_file: "x" }, "trian_file", /did you mean train_file\?/],
    [
      "an unknown field in another spelling suggests the right one",
      { "N-GPUS-per-node": "2" },
      "N-GPUS-per-node",
      /did you mean n_gpus_per_node/,
    ],
    ["a setting of verl points to profiles", { "actor_rollout_ref.rollout.n": "5" }, "actor_rollout_ref.rollout.n", /profile/],
  ])("%s", (_, changes, field, message) => {
    const errors = errorsOf(specText(changes));
    expect(errors).toHaveLength(1);
    expect(errors[0]).toMatchObject({ field, message: expect.stringMatching(message) });
  });

  it("names all errors of a file at once, in the order of its lines, each with line, column, found and allowed", () => {
    const text = "workload: rlhf\ncode_path: /opt/verl\nmodel_id: x\n\nnnodes: 017\nsave_freq:   0\nfoo: 1\n";
    expect(errorsOf(text).map((e) => [e.field, e.line, e.column, e.found])).toEqual([
      ["train_file", 1, 1, "nothing"],
      ["workload", 1, 11, "rlhf"],
      ["code_path", 2, 12, "/opt/verl"],
      ["model_id", 3, 11, "x"],
      ["nnodes", 5, 9, "017"],
      ["save_freq", 6, 14, "0"],
      ["foo", 7, 1, "foo"],
    ]);
    expect(errorsOf(text).filter((error) => !error.allowed)).toEqual([]);
  });

  it("names errors of structure and of values together", () => {
    const text = `${specText()}nnodes: 0\nnnodes: 1\nsave_freq: [1]\ntest_freq: !!int 4\n`;
    expect(errorsOf(text).map((e) => `${e.field} ${e.line}`)).toEqual(["nnodes 6", "nnodes 7", "save_freq 8", "test_freq 9"]);
  });

  it("does not speak twice of a value that it could not read", () => {
    expect(errorsOf(`${specText({ nnodes: null })}nnodes: *x\n`).map((e) => e.field)).toEqual(["nnodes"]);
  });

  it("lists 50 errors of a hopeless file and counts the rest", () => {
    const errors = errorsOf(Array.from({ length: 300 }, (_, i) => `zz${i}q: 1\n`).join(""));
    expect(errors).toHaveLength(51);
    expect(errors.at(-1)?.message).toMatch(/has 254 more errors/);
  });
});

const field = fc.constantFrom(...Object.keys(SPEC_FIELDS), "x", "trainer.logger", "__proto__");
const value = fc.oneof(
  fc.string(),
  fc.string({ unit: "binary" }).map((s) => JSON.stringify(s)),
  fc.constantFrom(
    "null",
    "1",
    "-1",
    "0",
    "ppo",
    "[1]",
    "{a: b}",
    "*a",
    "&a 1",
    "!!int 1",
    "|\n  x",
    "'",
    '"',
    "- a",
    "? a",
    "/private/common/a",
  ),
);

describe("whatever comes", () => {
  it("never throws, and every error has a field and a place", () => {
    const body = fc.oneof(
      fc.array(fc.tuple(field, value)).map((lines) => lines.map(([k, v]) => `${k}: ${v}\n`).join("")),
      fc.string({ unit: "binary", maxLength: 400 }),
      fc.uint8Array({ maxLength: 400 }),
    );
    fc.assert(
      fc.property(body, (text) => {
        const result = parse(text);
        for (const error of result.ok ? [] : result.errors) {
          expect(error.field).not.toBe("");
          expect(error.line).toBeGreaterThanOrEqual(1);
          expect(error.column).toBeGreaterThanOrEqual(1);
          // oxlint-disable-next-line no-control-regex
          expect(`${error.message}${error.found ?? ""}${error.field}`).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e]/);
        }
      }),
      { numRuns: 1000 },
    );
  });

  it("never throws on a good file with a piece of it spoilt", () => {
    const text = specText({ nnodes: "2" });
    const spoilt = fc.tuple(fc.nat(text.length), fc.nat(8), fc.string({ unit: "binary-ascii", maxLength: 6 }));
    fc.assert(
      fc.property(spoilt, ([at, cut, put]) => {
        parse(text.slice(0, at) + put + text.slice(at + cut));
      }),
      { numRuns: 1000 },
    );
  });

  it("accepts as a path only what no normalisation would change", () => {
    const part = fc.oneof(
      fc.constantFrom("..", ".", "", "common", "private", "a b", "a.parquet"),
      fc.string({ unit: "binary-ascii", maxLength: 4 }),
    );
    const path = fc.array(part, { maxLength: 6 }).map((parts) => `/private/common/${parts.join("/")}.parquet`);
    fc.assert(
      fc.property(path, (text) => {
        const result = parse(specText({ train_file: JSON.stringify(text) }));
        if (result.ok) expect(text).toMatch(/^\/private\/common(\/[A-Za-z0-9_][A-Za-z0-9._-]*)+$/);
      }),
      { numRuns: 500 },
    );
  });

  it("accepts every path in normal form and every whole number in range", () => {
    const part = fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9._-]{0,20}$/);
    const good = fc.tuple(fc.array(part, { minLength: 1, maxLength: 8 }), fc.integer({ min: 1, max: 4096 }));
    fc.assert(
      fc.property(good, ([parts, nnodes]) => {
        const codePath = `/private/common/${parts.join("/")}`;
        expect(specOf(specText({ code_path: codePath, nnodes: String(nnodes) }))).toMatchObject({ codePath, nnodes });
      }),
    );
  });
});
