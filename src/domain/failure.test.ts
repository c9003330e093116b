/**
 * One log for each rule, written by hand with the messages that the named programs print; each is read with noise before and after it.
 */
import { describe, expect, it } from "vitest";
import { beforeStart, classify as classifyWhole, type Evidence } from "./failure.ts";
import type { AttemptResult, RayJobView } from "./types.ts";

const ABSENT: RayJobView = { kind: "absent" };

function result(over: Partial<AttemptResult> = {}): AttemptResult {
  return {
    nonce: "n",
    outcome: "exited",
    exitCode: 1,
    signal: null,
    stopWhy: null,
    oomKill: false,
    startedAt: "2026-01-01T00:00:00.000Z",
    endedAt: "2026-01-01T00:00:01.000Z",
    error: null,
    ...over,
  };
}

const BEFORE = [
  "2026-01-01 00:00:01,000\tINFO worker.py:1832 -- Connecting to existing Ray cluster at address: 10.0.0.1:6379...",
  "(pid=gcs_server) Waiting for register center actor to be ready. Elapsed time: 0 seconds out of 300 seconds",
  "Training Progress:   0%|          | 0/10 [00:00<?, ?it/s]",
].join("\n");
const AFTER = "Set the environment variable HYDRA_FULL_ERROR=1 for a complete stack trace.";

/** Source of the message, the line, its label, whom it blames. */
const LOGS: readonly (readonly [string, string, string, string])[] = [
  [
    "verl 0.9 single_controller ResourcePoolManager._check_resource_available",
    "ValueError: Total available GPUs 4.0 is less than total desired GPUs 8",
    "gpu_shortage",
    "infra",
  ],
  [
    "verl 0.5 ResourcePoolManager._check_resource_available",
    "ValueError: Resource pool global_pool: 8*2cannot be satisfied in this ray cluster",
    "gpu_shortage",
    "infra",
  ],
  ["CPython OSError ENOSPC from torch.save", "OSError: [Errno 28] No space left on device: '/private/users/a/x.pt'", "disk_full", "infra"],
  ["CPython OSError EDQUOT", "OSError: [Errno 122] Disk quota exceeded", "disk_full", "infra"],
  [
    "PyTorch 2.x CUDACachingAllocator",
    "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.32 GiB. GPU 0 has a total capacity of 79.33 GiB",
    "cuda_oom_train",
    "config",
  ],
  [
    "PyTorch 2.4 CUDACachingAllocator",
    "torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 20.00 MiB",
    "cuda_oom_train",
    "config",
  ],
  [
    "Ray 2.60 memory monitor",
    "ray.exceptions.OutOfMemoryError: Task was killed due to the node running low on memory.",
    "host_oom",
    "config",
  ],
  ["CPython import system", "ModuleNotFoundError: No module named 'flash_attn'", "missing_module", "config"],
  [
    "verl 0.9 utils/config.py validate_config",
    "AssertionError: real_train_batch_size (30) must be divisible by minimal possible batch size (8)",
    "config_divisibility",
    "config",
  ],
  [
    "Hydra 1.3 config_loader_impl",
    "Could not override 'actor_rollout_ref.actor.nope'.\nTo append to your config use +actor_rollout_ref.actor.nope=1",
    "config_unknown_key",
    "config",
  ],
  ["OmegaConf 2.3 struct mode", "Key 'nope' is not in struct\n    full_key: trainer.nope", "config_unknown_key", "config"],
  ["verl RLHFDataset __getitem__", "KeyError: 'prompt'", "dataset_schema", "user"],
  [
    "pyarrow 20 parquet reader",
    "pyarrow.lib.ArrowInvalid: Parquet magic bytes not found in footer. Either the file is corrupted or this is not a parquet file.",
    "dataset_unreadable",
    "user",
  ],
  [
    "datasets/fsspec local file system",
    "FileNotFoundError: [Errno 2] No such file or directory: '/private/common/datasets/a/train.parquet'",
    "dataset_unreadable",
    "user",
  ],
  ["verl console logger", "step:3 - actor/pg_loss:0.1 - actor/grad_norm:nan - perf/mfu:0.2", "numeric_nan", "user"],
];

const classify = (evidence: Omit<Evidence, "headLost" | "stalled">) => classifyWhole({ ...evidence, headLost: false, stalled: false });

describe("a log says why an attempt failed", () => {
  it.each(LOGS)("%s", (_, line, label, blame) => {
    const failure = classify({ result: result(), logTail: `${BEFORE}\n${line}\n${AFTER}\n`, ray: ABSENT });
    expect(failure).toMatchObject({ label, blame, retryable: label === "gpu_shortage" });
    expect(failure.fix).not.toBe("");
    expect(`${line}\n`).toContain(failure.text);
  });

  it("noise that every healthy run prints is no cause", () => {
    const failure = classify({ result: result(), logTail: `${BEFORE}\n`, ray: ABSENT });
    expect(failure.label).toBe("unknown");
  });

  it("what no rule knows is the head's doing where Ray lost its memory meanwhile; what a rule knows is not", () => {
    const trace = `${BEFORE}\n/lib/x86_64-linux-gnu/libc.so.6(+0x1098ec) [0x7fe84df278ec]\n`;
    const lost = (logTail: string) => classifyWhole({ result: result(), logTail, ray: ABSENT, headLost: true, stalled: false });
    expect(lost(trace)).toMatchObject({ label: "head_lost", retryable: true });
    expect(lost("KeyError: 'prompt'")).toMatchObject({ label: "dataset_schema", retryable: false });
    expect(classify({ result: result(), logTail: trace, ray: ABSENT })).toMatchObject({ label: "unknown", retryable: false });
  });

  it("Ray's own message counts where the log is silent", () => {
    const message =
      "Unexpected error occurred: 1 worker(s) were killed due to the node running low on memory. The top 10 memory users are:";
    const ray: RayJobView = { kind: "found", status: "FAILED", message, errorType: "JOB_SUPERVISOR_ACTOR_UNKNOWN_FAILURE", nodeId: null };
    expect(classify({ result: null, logTail: "", ray }).label).toBe("host_oom");
  });
});

describe("the launcher's result says why", () => {
  it("a self-fence is a lost node, whatever the log says", () => {
    const failure = classify({ result: result({ outcome: "self_fenced" }), logTail: "CUDA out of memory", ray: ABSENT });
    expect(failure).toMatchObject({ label: "node_lost", retryable: true });
  });

  it("an attempt that the launcher refused tells the launcher's words", () => {
    const error = "/private/common/x leads to /etc, which is outside of the allowed directories";
    expect(classify({ result: result({ outcome: "not_started", error }), logTail: "", ray: ABSENT })).toMatchObject({
      label: "config_invalid_value",
      text: error,
      retryable: false,
    });
  });

  it("a kernel OOM kill is host_oom", () => {
    expect(classify({ result: result({ oomKill: true, exitCode: null, signal: "SIGKILL" }), logTail: "", ray: ABSENT }).label).toBe(
      "host_oom",
    );
  });

  it("a stop from outside is an interruption, a missing result a lost node: both are tried again", () => {
    const stopped = result({ outcome: "stopped", exitCode: null, signal: "SIGTERM" });
    expect(classify({ result: stopped, logTail: BEFORE, ray: ABSENT })).toMatchObject({ label: "interrupted", retryable: true });
    expect(classify({ result: null, logTail: BEFORE, ray: ABSENT })).toMatchObject({ label: "node_lost", retryable: true });
  });

  it("how the launcher saw it end outweighs what a log only tells of an end", () => {
    const logTail = "ncclRemoteError: A call failed possibly due to a network error or a remote process exiting prematurely.\n";
    const stopped = result({ outcome: "stopped", exitCode: null, signal: "SIGTERM" });
    expect(classify({ result: stopped, logTail, ray: ABSENT }).label).toBe("interrupted");
    expect(classify({ result: null, logTail, ray: ABSENT }).label).toBe("node_lost");
    expect(classify({ result: result(), logTail, ray: ABSENT })).toMatchObject({ label: "comm_network", retryable: true });
  });

  it("a signal that nothing explains is a crash, or an interruption: both are tried again", () => {
    const killed = (signal: string) => classify({ result: result({ exitCode: null, signal }), logTail: BEFORE, ray: ABSENT });
    expect(killed("SIGSEGV")).toMatchObject({ label: "worker_crash_unknown", retryable: true });
    expect(killed("SIGTERM")).toMatchObject({ label: "interrupted", retryable: true });
  });

  it("an error that no rule knows is shown rather than the log's last line", () => {
    const logTail = "BlorpError: no glorp\nSet the environment variable HYDRA_FULL_ERROR=1 for a complete stack trace.\n";
    expect(classify({ result: result(), logTail, ray: ABSENT })).toMatchObject({
      label: "unknown",
      text: "the driver ended with exit code 1: BlorpError: no glorp",
      retryable: false,
    });
  });

  it("what no rule knows is unknown, with how it ended and the last line that a person wrote", () => {
    const logTail = "Something odd happened\n\n(WorkerDict pid=12) at 0x1\n  at frame 3\n";
    expect(classify({ result: result({ exitCode: 9 }), logTail, ray: ABSENT }).text).toBe(
      "the driver ended with exit code 9: Something odd happened",
    );
    expect(classify({ result: result({ exitCode: null, signal: "SIGSEGV" }), logTail: "", ray: ABSENT }).text).toBe(
      "the driver ended with signal SIGSEGV and wrote nothing",
    );
  });

  it("never shows more than 500 characters of a line", () => {
    const line = `ModuleNotFoundError: No module named '${"x".repeat(2_000)}'`;
    expect(classify({ result: result(), logTail: line, ray: ABSENT }).text).toHaveLength(500);
    expect(classify({ result: result(), logTail: "y".repeat(2_000), ray: ABSENT }).text.length).toBeLessThan(600);
  });
});

describe("a log written to be slow to read", () => {
  it.each(["Parquet", "Key '", "FileNotFoundError: ", "Resource pool ", "Could not override '", "grad_norm "])(
    "a line of 256 KiB of %j costs no more than any other",
    (word) => {
      const line = word.repeat(Math.ceil((256 * 1024) / word.length));
      const start = performance.now();
      classify({ result: result(), logTail: line, ray: ABSENT });
      // Milliseconds, against ten seconds when each word was tried with each end of the line.
      expect(performance.now() - start).toBeLessThan(3_000);
    },
  );
});

it("a log that had no room tells of a full disk, unless the driver ended well or from outside", () => {
  const error = "4096 bytes of driver.log were lost (No space left on device); Ray's job log has them";
  const full = (over: Partial<AttemptResult>) =>
    classify({ result: result({ exitCode: 1, error, ...over }), logTail: "step:3", ray: ABSENT });
  expect(full({})).toMatchObject({ label: "disk_full", blame: "infra", retryable: false, text: expect.stringContaining("4096 bytes") });
  expect(full({ outcome: "stopped" }).label).toBe("interrupted");
  expect(full({ error: "4096 bytes of driver.log were lost (Input/output error)" }).label).toBe("unknown");
});

it("a launcher that could not start is quoted by its own word, not by the head of Ray's message", () => {
  const head =
    "Job entrypoint command failed with exit code 70, last available logs (truncated to 20,000 chars):\nRunning entrypoint: exec python3\n";
  const word = "storage trouble before the start, nothing is run: [Errno 28] No space left on device";
  const ray = {
    kind: "found",
    status: "FAILED",
    message: `${head}verlpool launcher: ${word}\n`,
    errorType: "JOB_ENTRYPOINT_COMMAND_ERROR",
    nodeId: null,
  } as const;
  expect(beforeStart(ray)?.text).toBe(`the launcher could not start on the worker: ${word}`);
});
