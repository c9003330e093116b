import { describe, expect, it } from "vitest";
import { HOSTILE_VALUES } from "../../../test/support/hostile-values.ts";
import { builtin, inputFor, specFor } from "../../../test/support/verl-command.ts";
import { buildCommand, needs } from "./command.ts";

const PPO = builtin("ppo");
const SFT = builtin("sft");
const JOB = "/srv/pool/users/alice/jobs/mvp2-alice-ppo-20260102-030405-0123abcd--a01";

describe("the argv", () => {
  it("runs the driver as a module of the pool's interpreter, without a shell", () => {
    expect(buildCommand(inputFor(PPO)).argv.slice(0, 3)).toEqual(["python3", "-m", "verl.trainer.main_ppo"]);
  });

  it("takes the profile's interpreter, mapped where it lies under /private/common", () => {
    expect(buildCommand(inputFor({ ...PPO, python: "/opt/v/bin/python" })).argv[0]).toBe("/opt/v/bin/python");
    expect(buildCommand(inputFor({ ...PPO, python: "/private/common/env/bin/python" })).argv[0]).toBe("/srv/pool/common/env/bin/python");
  });

  it("says where data, models and output are, as jobs see them", () => {
    expect(buildCommand(inputFor(PPO)).argv).toEqual(
      expect.arrayContaining([
        "algorithm.adv_estimator='gae'",
        "data.train_files='/srv/pool/common/d/train.parquet'",
        "data.val_files='/srv/pool/common/d/test.parquet'",
        "actor_rollout_ref.model.path='/srv/pool/common/models/m'",
        "critic.model.path='/srv/pool/common/models/m'",
        "trainer.nnodes=2",
        "trainer.n_gpus_per_node=4",
        "trainer.total_epochs=1",
        "trainer.total_training_steps=null",
        "trainer.save_freq=10",
        "trainer.test_freq=-1",
        "trainer.logger=['console','file']",
        `trainer.default_local_dir='${JOB}/checkpoints'`,
        "trainer.max_actor_ckpt_to_keep=2",
        "trainer.max_critic_ckpt_to_keep=2",
        "trainer.resume_mode='disable'",
        "trainer.resume_from_path=null",
        "trainer.device='cuda'",
        "+transfer_queue.backend.SimpleStorage.required_node_resource='worker_node'",
        `hydra.run.dir='${JOB}/debug/hydra'`,
      ]),
    );
  });

  it("passes a repo id as it is: verl finds it in the offline cache of HF_HOME", () => {
    const spec = specFor(SFT, { modelId: "Qwen/Qwen2.5-0.5B-Instruct" });
    expect(buildCommand(inputFor(SFT, { spec })).argv).toContain("model.path='Qwen/Qwen2.5-0.5B-Instruct'");
  });

  it("sets each key once", () => {
    for (const profile of [PPO, builtin("grpo"), SFT]) {
      const keys = buildCommand(inputFor(profile))
        .argv.slice(3)
        .map((text) => text.split("=")[0]);
      expect(keys).toEqual([...new Set(keys)]);
    }
  });

  it("resumes from another attempt's checkpoint and writes to its own directory", () => {
    const path = "/private/users/alice/jobs/mvp2-alice-ppo-20260102-030405-0123abcd--a00/checkpoints/global_step_6";
    const { argv } = buildCommand(inputFor(PPO, { resume: { path } }));
    expect(argv).toContain("trainer.resume_mode='resume_path'");
    expect(argv).toContain(`trainer.resume_from_path='${path.replace("/private", "/srv/pool")}'`);
    expect(argv).toContain(`trainer.default_local_dir='${JOB}/checkpoints'`);
  });

  it("has no critic for GRPO and SFT", () => {
    for (const name of ["grpo", "sft"]) expect(buildCommand(inputFor(builtin(name))).argv.join(" ")).not.toContain("critic.model");
  });

  it("gives SFT's driver the cpu, since drivers have no GPU, unless the spec says otherwise", () => {
    expect(buildCommand(inputFor(SFT)).argv).toContain("trainer.device='cpu'");
    const spec = specFor(SFT, { trainerDevice: "cuda" });
    expect(buildCommand(inputFor(SFT, { spec })).argv).toContain("trainer.device='cuda'");
  });

  it("switches SFT's tests off where there is nothing to test on", () => {
    const spec = specFor(SFT, { valFile: null, testFreq: 5 });
    const { argv } = buildCommand(inputFor(SFT, { spec }));
    expect(argv).toContain("data.val_files=null");
    expect(argv).toContain("trainer.test_freq=-1");
  });

  it("has no file logger for verl 0.5, which lacks it", () => {
    expect(buildCommand(inputFor(builtin("ppo", "0.5"))).argv).toContain("trainer.logger=['console']");
    expect(buildCommand(inputFor(builtin("ppo", "0.6"))).argv).toContain("trainer.logger=['console','file']");
  });

  it("maps the paths that a profile names, at any depth", () => {
    const profile = { ...PPO, settings: { a: "/private/common/x", b: [{ c: "/private/common/y", d: "z" }] } };
    const { argv } = buildCommand(inputFor(profile));
    expect(argv).toContain("a='/srv/pool/common/x'");
    expect(argv).toContain("b=[{c:'/srv/pool/common/y',d:'z'}]");
  });

  it.each(HOSTILE_VALUES)("keeps an unchecked train_file one literal element, or throws: $row", ({ value }) => {
    const spec = specFor(PPO, { trainFile: value });
    const count = buildCommand(inputFor(PPO)).argv.length;
    const build = () => buildCommand(inputFor(PPO, { spec, toWorker: (path) => path })).argv;
    if (/[^\x20-\x7e]|\$/.test(value)) {
      expect(build).toThrow(/data\.train_files: its value/);
      return;
    }
    expect(build()).toHaveLength(count);
    expect(build().filter((text) => text.startsWith("data.train_files='"))).toHaveLength(1);
  });
});

describe("the environment", () => {
  it("is that of the contract", () => {
    expect(buildCommand(inputFor(PPO)).env).toEqual({
      VERL_USE_EXTERNAL_MODULES: "verlpool_isolation",
      VERLPOOL_TASK_ID: "mvp2-alice-ppo-20260102-030405-0123abcd",
      VERLPOOL_ATTEMPT: "mvp2-alice-ppo-20260102-030405-0123abcd--a01",
      VERLPOOL_DRIVER_DEVICE: "cuda",
      VERL_FILE_LOGGER_PATH: `${JOB}/logs/metrics.jsonl`,
      PYTHONPATH: "/srv/pool/common/code/verl:/srv/pool/common/verlpool/platform/x",
      PYTHONUNBUFFERED: "1",
      HF_HOME: "/srv/pool/common/hf",
      HF_HUB_OFFLINE: "1",
      SPT_NOENV: "1",
      RAY_JOB_STOP_WAIT_TIME_S: "30",
    });
  });

  it("holds the profile's variables, which never replace the platform's", () => {
    const env = { NCCL_DEBUG: "INFO", HF_HOME: "/tmp/mine", TOPOLOGY: "/private/common/topo.xml" };
    expect(buildCommand(inputFor({ ...PPO, env })).env).toMatchObject({
      NCCL_DEBUG: "INFO",
      HF_HOME: "/srv/pool/common/hf",
      TOPOLOGY: "/srv/pool/common/topo.xml",
    });
  });

  it("loads the profile's modules before the isolation module, each once", () => {
    const env = { VERL_USE_EXTERNAL_MODULES: "verlpool_cpu,verlpool_isolation" };
    expect(buildCommand(inputFor({ ...PPO, env })).env["VERL_USE_EXTERNAL_MODULES"]).toBe("verlpool_cpu,verlpool_isolation");
  });

  it("keeps the device of an SFT driver, which has no GPU, whatever the machine has", () => {
    const { env } = buildCommand(inputFor(builtin("sft", "0.9")));
    expect(env).toMatchObject({ VERL_USE_EXTERNAL_MODULES: "verlpool_driver", VERLPOOL_DRIVER_DEVICE: "cpu" });
  });

  it("tells verl when the task's time is over, so that it saves before, and lets 0.9's trainer look at it", () => {
    const deadline = Date.parse("2026-01-02T03:04:05.678Z");
    const NAME = "MLP_CURRENT_CAPACITY_BLOCK_EXPIRATION_TIMESTAMP";
    const of = (name: string, verl: string, saveFreq = 10): { readonly [key: string]: string } => {
      const profile = builtin(name, verl);
      return buildCommand(inputFor(profile, { deadline, spec: specFor(profile, { saveFreq }) })).env;
    };
    expect(of("grpo", "0.9")).toMatchObject({
      [NAME]: "1767323045",
      VERL_USE_EXTERNAL_MODULES: "verlpool_isolation,verlpool_deadline",
    });
    expect(of("ppo", "0.8")[NAME]).toBe("1767323045");
    expect(of("ppo", "0.8")).not.toHaveProperty("VERL_USE_EXTERNAL_MODULES");
    for (const env of [of("sft", "0.9"), of("ppo", "0.9", -1)]) {
      expect(env).not.toHaveProperty(NAME);
      expect(env["VERL_USE_EXTERNAL_MODULES"]).not.toContain("deadline");
    }
  });

  it("loads no isolation module where the task runs alone", () => {
    expect(buildCommand(inputFor(builtin("ppo", "0.8"))).env).not.toHaveProperty("VERL_USE_EXTERNAL_MODULES");
  });
});

describe("what a task needs", () => {
  it.each([
    ["ppo", "0.9", 3 * 4 + 10],
    ["ppo", "0.8", 3 * 4 + 1],
    ["ppo", "0.6", 1 * 4 + 1],
    ["sft", "0.9", 10 * 4],
  ])("for %s on verl %s is %i CPUs a node of 4 GPUs", (name, verl, cpusPerNode) => {
    expect(needs({ nnodes: 2, nGpusPerNode: 4 }, builtin(name, verl))).toEqual({ nodes: 2, gpusPerNode: 4, cpusPerNode });
  });
});
