import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BUILTIN_PROFILES } from "../domain/verl/builtin-profiles.ts";
import { DEMO_PROFILES } from "../domain/verl/demo-profiles.ts";
import { profileId } from "../domain/verl/profile.ts";
import { formatProfile, parseProfile, profileYaml, parseProfileFileName } from "./profile-file.ts";

const GOOD = `name: grpo-7b-long
version: 3
workload: grpo
verl: ["0.9"]
description: long answers for 7B models
driver: verl.trainer.main_ppo
keep_checkpoints: 5
settings:
  data.max_response_length: 8192
  actor_rollout_ref.actor.optim.lr: 1e-6
  actor_rollout_ref.rollout.name: vllm
  +actor_rollout_ref.rollout.engine_kwargs.vllm.x: {a: [1, "2", null, true]}
env:
  NCCL_DEBUG: WARN
  OMP_NUM_THREADS: 8
`;

function errorsOf(text: string, fileName: string | null = null): readonly string[] {
  const result = parseProfile(text, fileName);
  return result.ok ? [] : result.errors.map((e) => `${e.field} ${e.line}:${e.column} ${e.message}`);
}

describe("a profile file", () => {
  it("is read with its defaults", () => {
    expect(parseProfile(GOOD, "grpo-7b-long@3.yaml")).toEqual({
      ok: true,
      profile: {
        name: "grpo-7b-long",
        version: 3,
        workload: "grpo",
        verl: ["0.9"],
        description: "long answers for 7B models",
        driver: "verl.trainer.main_ppo",
        device: "cuda",
        exclusive: false,
        python: null,
        cpusPerGpu: 3,
        cpusExtra: 10,
        keepCheckpoints: 5,
        settings: {
          "data.max_response_length": 8192,
          "actor_rollout_ref.actor.optim.lr": 1e-6,
          "actor_rollout_ref.rollout.name": "vllm",
          "+actor_rollout_ref.rollout.engine_kwargs.vllm.x": { a: [1, "2", null, true] },
        },
        env: { NCCL_DEBUG: "WARN", OMP_NUM_THREADS: "8" },
      },
    });
  });

  it("runs alone by default where its verl is not known to share a cluster", () => {
    expect(parseProfile(GOOD.replace('["0.9"]', '["0.9", "0.8"]'), null)).toMatchObject({ profile: { exclusive: true } });
    expect(parseProfile(`${GOOD.replace("0.9", "0.8")}exclusive: false\n`, null)).toMatchObject({ profile: { exclusive: false } });
  });

  it("has 10 CPUs a GPU and the cpu as the driver's device for sft", () => {
    expect(parseProfile(GOOD.replace("grpo\nverl", "sft\nverl"), null)).toMatchObject({
      profile: { cpusPerGpu: 10, cpusExtra: 0, device: "cpu" },
    });
  });

  it("keeps all checkpoints with null", () => {
    expect(parseProfile(GOOD.replace("keep_checkpoints: 5", "keep_checkpoints: null"), null)).toMatchObject({
      profile: { keepCheckpoints: null },
    });
  });

  it.each<[string, string, string, RegExp]>([
    ["an unknown field", "keep_checkpoints", "keep_checkpoint", /^keep_checkpoint 7:1 .*did you mean keep_checkpoints/],
    ["no name", "name: grpo-7b-long\n", "", /^name 1:1 is missing/],
    ["a name with capitals", "grpo-7b-long", "GRPO", /^name 1:7 is not a profile name/],
    ["version 0", "version: 3", "version: 0", /^version 2:10 is too small/],
    ["a version with a dot", "version: 3", "version: 3.1", /^version 2:10 is not a whole number/],
    ["a workload that is none", "workload: grpo", "workload: dpo", /^workload 3:11/],
    ["no verl", 'verl: ["0.9"]\n', "", /^verl 1:1 names no verl version/],
    ["a verl that is none", '"0.9"', '">=0.9"', /^verl 4:8 is not a verl version/],
    ["a driver that is a path", "verl.trainer.main_ppo", "/opt/run.py", /^driver 6:9 is not a Python module/],
    ["a driver with arguments", "verl.trainer.main_ppo", "verl.trainer.main_ppo --x", /^driver/],
    ["a python that is a command", "keep_checkpoints: 5", "python: python3 -u", /^python 7:9 is not an absolute path/],
    ["a python that climbs", "keep_checkpoints: 5", "python: /opt/../bin/python", /^python/],
    ["a device that is none", "keep_checkpoints: 5", "device: npu", /^device/],
    ["an exclusive that is no boolean", "keep_checkpoints: 5", "exclusive: yes", /^exclusive 7:12 is not a boolean/],
    ["a setting with $", "vllm\n", "${oc.env:HOME}\n", /^settings.actor_rollout_ref.rollout.name 11:35 holds a \$/],
    ["a setting with another path", "vllm\n", "/private/users/bob/x\n", /is a path that is not under \/private\/common/],
    ["a setting at home", "vllm\n", "~/x\n", /points outside/],
    ["a setting that is ambiguous", "vllm\n", "yes\n", /boolean in some YAML readers/],
    ["a setting in octal", "vllm\n", "017\n", /another base/],
    ["a setting that is not finite", "vllm\n", ".nan\n", /not a finite/],
    ["a setting that is too big", "vllm\n", "12345678901234567890\n", /too big/],
    ["a setting that is missing to OmegaConf", "vllm\n", "'???'\n", /missing value/],
    ["a config group as key", "data.max_response_length", "hydra/launcher", /is not a key of verl/],
    ["a deletion as key", "data.max_response_length", '"~trainer.logger"', /is not a key of verl/],
    ["an env that is ours", "NCCL_DEBUG", "VERLPOOL_ATTEMPT", /^env.VERLPOOL_ATTEMPT 14:3 is set by verlpool/],
    ["an env that is the server's", "NCCL_DEBUG", "MVP_INTERNAL_TOKEN", /never reaches a job/],
    ["an env that is a secret", "NCCL_DEBUG", "WANDB_API_KEY", /looks like a secret/],
    ["an env that is no name", "NCCL_DEBUG", "A-B", /is not the name/],
    ["an env that is a list", "NCCL_DEBUG: WARN", "NCCL_DEBUG: [1]", /is not a text/],
    ["an env with a line break", "NCCL_DEBUG: WARN", 'NCCL_DEBUG: "a\\nb"', /not printable ASCII/],
    ["an alias", "NCCL_DEBUG: WARN", "NCCL_DEBUG: *x", /alias/],
    ["__proto__", "NCCL_DEBUG: WARN", "__proto__: WARN", /^env.__proto__/],
  ])("is refused with %s", (_, from, to, message) => {
    const errors = errorsOf(GOOD.replace(from, to), "grpo-7b-long@3.yaml");
    expect(errors).toEqual([expect.stringMatching(message)]);
  });

  it.each([
    "trainer.default_local_dir",
    "+trainer.default_local_dir",
    "++trainer.logger",
    "trainer",
    "trainer.nnodes",
    "trainer.n_gpus_per_node",
    "trainer.total_epochs",
    "trainer.total_training_steps",
    "trainer.save_freq",
    "trainer.test_freq",
    "trainer.resume_mode",
    "trainer.resume_from_path",
    "trainer.device",
    "trainer.project_name",
    "trainer.experiment_name",
    "trainer.max_actor_ckpt_to_keep",
    "trainer.del_local_ckpt_after_load",
    "data",
    "data.train_files",
    "data.val_files",
    "actor_rollout_ref.model.path",
    "actor_rollout_ref.model",
    "critic.model.path",
    "model.path",
    "algorithm.adv_estimator",
    "hydra.run.dir",
    "ray_kwargs.ray_init.runtime_env.env_vars",
    "ray_kwargs",
  ])("may not set %s, which verlpool sets", (key) => {
    expect(errorsOf(GOOD.replace("data.max_response_length: 8192", `${key}: x`))).toEqual([
      expect.stringMatching(/may not stand in a profile/),
    ]);
  });

  it.each(["trainer.val_before_train", "data.train_batch_size", "actor_rollout_ref.model.use_remove_padding", "critic.model.lora_rank"])(
    "may set %s",
    (key) => {
      expect(errorsOf(GOOD.replace("data.max_response_length", key))).toEqual([]);
    },
  );

  it("is refused with settings that are a list", () => {
    const text = `${GOOD.slice(0, GOOD.indexOf("settings:"))}settings: [1]\n`;
    expect(errorsOf(text)).toEqual([expect.stringMatching(/^settings 8:11 is a list, not a mapping/)]);
  });

  it("must be named as it says", () => {
    expect(errorsOf(GOOD, "grpo-7b-long@4.yaml")).toEqual([expect.stringMatching(/must be named grpo-7b-long@3\.yaml/)]);
  });

  it("names all its errors at once, in the order of its lines", () => {
    const text = GOOD.replace("grpo-7b-long", "X").replace("vllm\n", "$x\n").replace("NCCL_DEBUG", "HF_HOME");
    expect(errorsOf(text).map((line) => line.split(" ")[0])).toEqual(["name", "settings.actor_rollout_ref.rollout.name", "env.HF_HOME"]);
  });

  it("that is too large is refused unread", () => {
    expect(errorsOf(`# ${"x".repeat(64 * 1024)}`)).toEqual([expect.stringMatching(/65536/)]);
  });
});

describe("the name of a profile file", () => {
  it.each([
    ["grpo-7b-long@3.yaml", { name: "grpo-7b-long", version: 3 }],
    ["a@1.yaml", { name: "a", version: 1 }],
    ["a@0.yaml", null],
    ["a@01.yaml", null],
    ["a.yaml", null],
    ["../a@1.yaml", null],
    ["A@1.yaml", null],
    ["a@1.yml", null],
    [".a@1.yaml.swp", null],
  ])("%s", (fileName, expected) => {
    expect(parseProfileFileName(fileName)).toEqual(expected);
  });
});

describe("a profile as text", () => {
  it.each(BUILTIN_PROFILES.map((profile) => [profileId(profile), profile] as const))("of %s is read back equal", (_, profile) => {
    expect(parseProfile(formatProfile(profile), null)).toEqual({ ok: true, profile });
    expect(parseProfile(profileYaml(profile), null)).toEqual({ ok: true, profile });
  });

  it.each(Object.entries(DEMO_PROFILES))("of the demo's %s is read, and read back equal", (fileName, text) => {
    const result = parseProfile(text, fileName);
    if (!result.ok) throw new Error(JSON.stringify(result.errors));
    expect(parseProfile(formatProfile(result.profile), fileName)).toEqual(result);
    expect(parseProfile(profileYaml(result.profile), fileName)).toEqual(result);
  });

  it("never throws on a good file with a piece of it spoilt", () => {
    const spoilt = fc.tuple(fc.nat(GOOD.length), fc.nat(8), fc.string({ unit: "binary-ascii", maxLength: 6 }));
    fc.assert(
      fc.property(spoilt, ([at, cut, put]) => {
        parseProfile(GOOD.slice(0, at) + put + GOOD.slice(at + cut), "grpo-7b-long@3.yaml");
      }),
      { numRuns: 300 },
    );
  });
});
