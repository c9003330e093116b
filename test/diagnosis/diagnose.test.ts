import { describe, expect, it } from "vitest";
import { type Diagnosis, diagnose } from "../../src/domain/diagnosis/diagnose.ts";

const of = (text: string, rayMessage = ""): Diagnosis => diagnose({ log: [{ text, firstLine: 1 }], rayMessage });
const OOM =
  "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.32 GiB. GPU 0 has a total capacity of 79.33 GiB of which 1.05 GiB is free.";
const STEP = (n: number): string => `(TaskRunner pid=7) step:${n} - actor/pg_loss:0.1 - actor/grad_norm:0.2 - perf/mfu:0.2`;

describe("the root, not the last line", () => {
  it("an OOM of one rank explains the time-outs, dead actors and signals after it", () => {
    const { label, evidence } = of(`${STEP(1)}
(WorkerDict pid=12, ip=10.0.0.3)   File "/code/verl/workers/actor/dp_actor.py", line 411, in update_policy
(WorkerDict pid=12, ip=10.0.0.3) ${OOM}
[rank1]:[E419 10:42:28.85 ProcessGroupNCCL.cpp:616] [Rank 1] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=4486, OpType=ALLREDUCE, Timeout(ms)=600000) ran for 600013 milliseconds before timing out.
ncclRemoteError: A call failed possibly due to a network error or a remote process exiting prematurely.
ray.exceptions.ActorDiedError: The actor died unexpectedly before finishing this task.
W1130 12:13:49.388000 1 torch/distributed/elastic/agent/server/api.py:723] Received 15 death signal, shutting down workers`);
    expect(label).toBe("cuda_oom_train");
    expect(evidence[0]).toEqual({ line: 3, text: `(WorkerDict pid=12, ip=10.0.0.3) ${OOM}` });
  });

  it("a connection that closed follows from the rank that was killed, also where it is printed first", () => {
    const closed = "RuntimeError: [../gloo/transport/tcp/pair.cc:538] Connection closed by peer [127.0.0.1]:1234";
    const killed =
      "(raylet) Worker exit type: SYSTEM_ERROR Worker exit detail: Worker unexpectedly exits with a connection error code 2. End of file.";
    expect(of(closed).label).toBe("comm_network");
    expect(of(`${closed}\n${killed}`)).toMatchObject({ label: "worker_crash_unknown", evidence: [{ line: 2, text: killed }] });
  });

  it("a cause wins also where its symptoms are printed before it", () => {
    const log = `[rank1]:[E419 10:42:28.85 ProcessGroupNCCL.cpp:616] [Rank 1] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=1, OpType=ALLREDUCE)\n(raylet) 1 worker(s) were killed due to the node running low on memory.`;
    expect(of(log).label).toBe("host_oom");
  });

  it("a file that can't be written is no data file, whatever its ending", () => {
    const missing = "FileNotFoundError: [Errno 2] No such file or directory: '/x/logs/metrics.jsonl'";
    expect(of(`  File "/x/a.py", line 1, in a\n    self.fp = open(self.filepath, "wb", buffering=0)\n${missing}`).label).toBe("unknown");
    expect(of(`  File "/x/a.py", line 1, in a\n    self.fp = open(self.filepath)\n${missing}`).label).toBe("dataset_unreadable");
  });

  it("of two causes the first", () => {
    expect(of(`OSError: [Errno 28] No space left on device\nRuntimeError: can't start new thread`).label).toBe("disk_full");
    expect(of(`RuntimeError: can't start new thread\nOSError: [Errno 28] No space left on device`).label).toBe("thread_limit");
  });

  it("who ran out of GPU memory is told by the nearest frames of the same process", () => {
    const engine = `(vLLMHttpServer pid=3)   File "/x/vllm/v1/worker/gpu_worker.py", line 1, in wake_up`;
    const trainer = `(WorkerDict pid=4)   File "/code/verl/workers/actor/dp_actor.py", line 1, in update_policy`;
    expect(of(`${engine}\n${trainer}\n(vLLMHttpServer pid=3) ${OOM}`).label).toBe("cuda_oom_rollout");
    expect(of(`${trainer}\n${engine}\n(WorkerDict pid=4) ${OOM}`).label).toBe("cuda_oom_train");
  });

  it("that an actor died explains nothing where an error stands that no rule knows", () => {
    const diagnosis = of(
      `BlorpError: the blorp was not glorped\nray.exceptions.ActorDiedError: The actor died unexpectedly before finishing this task.`,
    );
    expect(diagnosis).toMatchObject({ label: "unknown", blame: "unknown", retryable: false });
    expect(diagnosis.evidence).toEqual([{ line: 1, text: "BlorpError: the blorp was not glorped" }]);
  });

  it("what Python swallowed while it ended is no cause", () => {
    const log = `ModuleNotFoundError: No module named 'transfer_queue'\nException ignored in: <function X.__del__ at 0x1>\nTraceback (most recent call last):\n  File "x.py", line 1\nOSError: [Errno 28] No space left on device`;
    expect(of(log).label).toBe("missing_module");
    expect(of(log.slice(log.indexOf("Exception"))).label).toBe("unknown");
  });
});

describe("what later steps refute", () => {
  const logged = "wandb: ERROR api_key not configured (no-tty). call wandb.login(key=[your_api_key])";

  it("an error that training outlived is not why it ended", () => {
    expect(of(logged).label).toBe("tracker_auth");
    expect(of(`${logged}\n${STEP(1)}\n${STEP(2)}\n`).label).toBe("unknown");
    expect(of(`${logged}\n${STEP(1)}\n${STEP(2)}\nOSError: [Errno 122] Disk quota exceeded`).label).toBe("disk_full");
  });

  it("one late step line may be older than the error before it", () => {
    expect(of(`${OOM}\n${STEP(1)}\n`).label).toBe("cuda_oom_train");
  });

  it("one later step refutes what only warned", () => {
    const waiting = "(autoscaler +4s) Error: No available node types can fulfill resource request {'GPU': 8.0}. Add suitable node types";
    expect(of(waiting).label).toBe("placement_pending");
    expect(of(`${waiting}\n${STEP(1)}\n`).label).toBe("unknown");
  });

  it("NaN in the last steps stands, NaN long ago does not", () => {
    const bad = (n: number): string => STEP(n).replace("0.2 ", "nan ");
    expect(of([STEP(1), bad(2), bad(3)].join("\n")).label).toBe("numeric_nan");
    expect(of([bad(1), STEP(2), STEP(3), STEP(4), STEP(5), STEP(6)].join("\n")).label).toBe("unknown");
  });

  it("a run that went through has no label, whatever stood in it and whatever its exit prints", () => {
    const log = `${OOM}\n${STEP(9)}\n(TaskRunner pid=7) Training Progress: 100%|██████████| 10/10 [11:15<00:00, 53.99s/it]\n(TaskRunner pid=7) 'Final validation metrics: None'\n`;
    expect(of(log)).toMatchObject({ label: "unknown", evidence: [] });
  });

  it("but an exit code that Ray tells is said", () => {
    const log = `Training Progress: 100%|██████████| 10/10 [11:15<00:00, 53.99s/it]\n`;
    const diagnosis = of(log, "Job entrypoint command failed with exit code -11, last available logs (truncated to 20,000 chars):");
    expect(diagnosis.label).toBe("worker_crash_unknown");
    expect(diagnosis.evidence[0]?.line).toBeNull();
  });
});

describe("logs as they really look", () => {
  const message = "ValueError: Total available GPUs 4.0 is less than total desired GPUs 8";

  it.each([
    [
      "Ray's colours and prefix",
      `\u001b[36m(TaskRunner pid=123, ip=10.0.0.3)\u001b[0m ${message}\u001b[32m [repeated 5x across cluster]\u001b[0m`,
    ],
    ["a rank's prefix", `[rank0]: ${message}`],
    ["a container's prefix", `trainer-1  | ${message}`],
    ["a logger's prefix", `ERROR 11-18 18:07:28 [core.py:366] ${message}`],
    ["Windows line ends", `a\r\n${message}\r\nb\r\n`],
    ["a progress bar on the same line", `Loading: 10%|█ | 1/10\rLoading: 20%|██ | 2/10\r${message}\r`],
    ["bytes that are no UTF-8", `\uFFFD\uFFFD 数据\n${message}\n\uFFFD`],
    ["a lone escape", `\u001b[\n\u001b]0;title\u0007${message}`],
  ])("%s", (_, log) => {
    expect(of(log).label).toBe("gpu_shortage");
  });

  it("numbers lines as an editor does, also after progress bars and in a tail", () => {
    expect(of(`a\rb\rc\n\n${message}\n`).evidence[0]?.line).toBe(3);
    const parts = [
      { text: "one\ntwo\n", firstLine: 1 },
      { text: `x\n${message}\n`, firstLine: 5_000 },
    ];
    expect(diagnose({ log: parts, rayMessage: "" }).evidence[0]).toEqual({ line: 5_001, text: message });
  });

  it("Chinese messages are read", () => {
    expect(of("写检查点失败：磁盘空间不足").label).toBe("disk_full");
  });

  it("fills what the log says into the words, and cuts it", () => {
    const { explanation } = of(
      `FileNotFoundError: [Errno 2] No such file or directory: '/private/common/${"d".repeat(300)}/train.parquet'`,
    );
    expect(explanation).toContain("/private/common/ddd");
    expect(explanation.length).toBeLessThan(500);
    expect(of(message).explanation).toBe("verl asked for 8 GPUs and found 4.0 free in the whole Ray cluster.");
  });

  it("shows the place of the match in a long line, and never more than 500 characters", () => {
    const { evidence } = of(`ERROR ${"x".repeat(5_000)} | ${OOM}`);
    expect(evidence[0]?.text).toContain("CUDA out of memory");
    expect(evidence[0]?.text.length).toBeLessThanOrEqual(500);
  });
});

describe("text that a log only shows", () => {
  it.each([
    ["a JSON sample", `{"prompt": "why do I get: ${OOM}", "answer": "x"}`],
    ["a Python repr of chat messages", `[{'role': 'user', 'content': 'RuntimeError: ${OOM}'}]`],
    ["a sentence about it", `People often see a CUDA out of memory. Tried to allocate error in training`],
    [
      "a sample that verl prints",
      `(TaskRunner pid=7) [prompt] help me:\n(TaskRunner pid=7) ${OOM}\n(TaskRunner pid=7) [response] sure\n(TaskRunner pid=7) RuntimeError: can't start new thread\n(TaskRunner pid=7) [ground_truth] 4\n(TaskRunner pid=7) [score] 1.0`,
    ],
    ["a chat template over several lines", `<|im_start|>user\n${OOM}\n<|im_end|>`],
    ["a question", `Question: ${OOM}`],
    ["source in a traceback's frame", `    print("CUDA out of memory. Tried to allocate")`],
  ])("%s is no cause", (_, log) => {
    expect(of(log).label).toBe("unknown");
  });

  it("and does not hide the real one", () => {
    const sample = `(TaskRunner pid=7) [prompt] ${OOM}\n(TaskRunner pid=7) [response] x\n(WorkerDict pid=8) OSError: [Errno 28] No space left on device\n(TaskRunner pid=7) [score] 1.0\n`;
    expect(of(sample)).toMatchObject({ label: "disk_full", evidence: [{ line: 3 }] });
    expect(of(`(TaskRunner pid=7) [prompt] ${OOM}\n${"(TaskRunner pid=7) text\n".repeat(500)}(TaskRunner pid=7) MemoryError\n`).label).toBe(
      "host_oom",
    );
  });

  it("a whole healthy start has no label", () => {
    const healthy = [
      "WARNING 10-28 03:24:22 [_custom_ops.py:20] Failed to import from vllm._C with ModuleNotFoundError(\"No module named 'vllm._C'\")",
      "INFO:torch.distributed.elastic.agent.server.api:[default] Rendezvous'ing worker group",
      "[rank0]:[W226 11:20:57.85 ProcessGroupNCCL.cpp:1496] Warning: WARNING: destroy_process_group() was not called before program exit",
      "(WorkerDict pid=1) Warning: Failed to set NUMA affinity: libnuma.so: cannot open shared object file: No such file or directory",
      "(WorkerDict pid=1) /x/resource_tracker.py:216: UserWarning: resource_tracker: There appear to be 1 leaked shared_memory objects to clean up at shutdown",
      "Job 'raysubmit_389afd456e315ba3' submitted successfully",
      "NCCL INFO Bootstrap : Using eth0:10.0.0.1<0>",
      STEP(1),
      STEP(2),
    ].join("\n");
    expect(of(healthy)).toMatchObject({ label: "unknown", evidence: [] });
    expect(of("")).toMatchObject({ label: "unknown", evidence: [] });
  });
});

describe("a log written to be slow to read", () => {
  const MIB = 1024 * 1024;
  const WORDS = [
    "a",
    "error: ",
    "ERROR ",
    "Parquet",
    "KeyError: '",
    "out of memory ",
    "(pid=",
    "step:1 - ",
    "[prompt]",
    "divisible by ",
    "checkpoint ",
    "reward ",
    "\u001b[",
    "\r",
    "nan ",
  ];

  it.each(WORDS)("4 MiB of %j in one line, and in many", (word) => {
    const line = word.repeat(Math.ceil((4 * MIB) / word.length));
    const lines = `${word.repeat(8)}\n`.repeat(Math.ceil((4 * MIB) / (word.length * 8 + 1)));
    const start = performance.now();
    of(line);
    of(lines);
    // A fraction of a second on one core; a pattern that costs the square of a line's length takes minutes.
    expect(performance.now() - start).toBeLessThan(8_000);
  });
});
