/** The memory of a fake Ray: jobs, nodes, and who runs where. It behaves as Ray 2.60 does (docs of the facts: test/contract/ray-jobs.contract.ts). */
import { randomBytes } from "node:crypto";

export type FakeStatus = "PENDING" | "RUNNING" | "STOPPED" | "SUCCEEDED" | "FAILED";

export type FakeSubmission = {
  readonly submission_id: string;
  readonly entrypoint: string;
  readonly runtime_env: { readonly env_vars?: Readonly<Record<string, string>> } | null;
  readonly metadata: Readonly<Record<string, string>> | null;
  /** Everything it asks for, CPU and GPU included. */
  readonly demand: Readonly<Record<string, number>>;
};

export type FakeNode = {
  readonly id: string;
  readonly name: string;
  readonly ip: string;
  readonly resources: Readonly<Record<string, number>>;
  readonly startedAt: number;
};

/** How an entrypoint ended: an exit code, or a signal as Ray shows it (-9). */
export type FakeEnd = { readonly exitCode: number };

export type FakeStart = {
  readonly submission: FakeSubmission;
  readonly node: FakeNode;
  readonly session: string;
  /** Aborted when Ray stops the job or its node dies; an entrypoint that ignores it goes on, as a real one could. */
  readonly signal: AbortSignal;
};

/** What Ray does with an entrypoint: run it, or pretend to by writing claim, lease and result files. */
export type FakeRunner = (start: FakeStart) => Promise<FakeEnd>;

export type FakeJob = {
  readonly submission: FakeSubmission;
  status: FakeStatus;
  message: string;
  errorType: string | null;
  exitCode: number | null;
  node: FakeNode | null;
  stopRequested: boolean;
  /** Ray forgot to schedule it (a PENDING job on a restored head): it never starts, and only its record remains. */
  lost: boolean;
  readonly startTime: number;
  endTime: number | null;
  readonly abort: AbortController;
};

export type FakeLedger = {
  /** Every POST that was carried out, in order, whatever the client heard of it. */
  readonly accepted: string[];
  readonly duplicates: string[];
  /** Every start of an entrypoint, in order: single execution is judged here. */
  readonly starts: string[];
  readonly stops: string[];
  readonly deletes: string[];
};

const PENDING_MESSAGE =
  "Job has not started yet. It may be waiting for resources (CPUs, GPUs, memory, custom resources) to become available.";
const TERMINAL: ReadonlySet<FakeStatus> = new Set(["STOPPED", "SUCCEEDED", "FAILED"]);

export function isTerminalJob(job: FakeJob): boolean {
  return TERMINAL.has(job.status);
}

export type FakeCluster = ReturnType<typeof createFakeCluster>;

export function createFakeCluster(run: FakeRunner, stoppedPendingRunsMs: number) {
  const jobs = new Map<string, FakeJob>();
  const nodes = new Map<string, FakeNode>();
  const ledger: FakeLedger = { accepted: [], duplicates: [], starts: [], stops: [], deletes: [] };
  const running = new Set<Promise<void>>();
  let session = newSession();
  let paused = false;
  let closed = false;

  function submit(submission: FakeSubmission): "accepted" | "duplicate" {
    if (jobs.has(submission.submission_id)) {
      ledger.duplicates.push(submission.submission_id);
      return "duplicate";
    }
    ledger.accepted.push(submission.submission_id);
    jobs.set(submission.submission_id, newJob(submission));
    setImmediate(schedule);
    return "accepted";
  }

  /** Ray keeps no order: whatever fits starts. */
  function schedule(): void {
    if (paused || closed) return;
    for (const job of jobs.values()) {
      if (job.status !== "PENDING" || job.lost) continue;
      const node = placeFor(job.submission.demand);
      if (node !== null) start(job, node);
    }
  }

  function placeFor(demand: Readonly<Record<string, number>>): FakeNode | null {
    const asked = Object.entries(demand).filter(([, amount]) => amount > 0);
    if (asked.length === 0) return [...nodes.values()].find((node) => isHead(node)) ?? null;
    const fits = (node: FakeNode) => asked.every(([name, amount]) => (node.resources[name] ?? 0) - (usageOf(node)[name] ?? 0) >= amount);
    return [...nodes.values()].find((node) => fits(node)) ?? null;
  }

  function usageOf(node: FakeNode): Record<string, number> {
    const used: Record<string, number> = {};
    for (const job of jobs.values()) {
      if (job.status !== "RUNNING" || job.node?.id !== node.id) continue;
      for (const [name, amount] of Object.entries(job.submission.demand)) used[name] = (used[name] ?? 0) + amount;
    }
    return used;
  }

  function start(job: FakeJob, node: FakeNode): void {
    job.status = "RUNNING";
    job.message = "Job is currently running.";
    job.node = node;
    ledger.starts.push(job.submission.submission_id);
    if (job.stopRequested) setTimeout(() => job.abort.abort("stop"), stoppedPendingRunsMs).unref();
    const work = follow(job, node).finally(() => running.delete(work));
    running.add(work);
  }

  async function follow(job: FakeJob, node: FakeNode): Promise<void> {
    const ended = await run({ submission: job.submission, node, session, signal: job.abort.signal });
    if (isTerminalJob(job)) return;
    if (job.abort.signal.aborted) end(job, "STOPPED", "Job was intentionally stopped.", null, null);
    else if (ended.exitCode === 0) end(job, "SUCCEEDED", "Job finished successfully.", null, 0);
    else {
      const text = `Job entrypoint command failed with exit code ${ended.exitCode}, last available logs (truncated to 20,000 chars):\n`;
      end(job, "FAILED", text, "JOB_ENTRYPOINT_COMMAND_ERROR", ended.exitCode);
    }
  }

  function end(job: FakeJob, status: FakeStatus, message: string, errorType: string | null, exitCode: number | null): void {
    Object.assign(job, { status, message, errorType, exitCode, endTime: Date.now() });
    setImmediate(schedule);
  }

  /** Ray says true for a PENDING job too, and runs it all the same once its resources are free. */
  function stop(job: FakeJob): boolean {
    ledger.stops.push(job.submission.submission_id);
    if (isTerminalJob(job) || job.lost) return false;
    if (job.status === "RUNNING") job.abort.abort("stop");
    else job.stopRequested = true;
    return true;
  }

  function remove(job: FakeJob): boolean {
    if (!isTerminalJob(job)) return false;
    ledger.deletes.push(job.submission.submission_id);
    jobs.delete(job.submission.submission_id);
    return true;
  }

  function addNode(name: string, ip: string, resources: Readonly<Record<string, number>>): FakeNode {
    const node = { id: randomBytes(28).toString("hex"), name, ip, resources, startedAt: Date.now() };
    nodes.set(node.id, node);
    setImmediate(schedule);
    return node;
  }

  /** The node is gone for Ray; its processes die only if `killProcesses`. */
  function loseNode(name: string, killProcesses: boolean): void {
    for (const node of nodes.values()) {
      if (node.name !== name) continue;
      nodes.delete(node.id);
      for (const job of jobs.values()) {
        if (job.node?.id !== node.id || isTerminalJob(job)) continue;
        const text =
          "Job supervisor actor died: The actor died unexpectedly before finishing this task. The actor died because its node has died.";
        end(job, "FAILED", text, "JOB_SUPERVISOR_ACTOR_DIED", null);
        if (killProcesses) job.abort.abort("node lost");
      }
    }
  }

  /** A head that came back empty: another session, no jobs; what ran goes on running. */
  function amnesia(): void {
    session = newSession();
    jobs.clear();
  }

  return {
    jobs,
    nodes,
    ledger,
    session: () => session,
    submit,
    stop,
    remove,
    end,
    usageOf,
    addNode,
    loseNode,
    amnesia,
    /** A head restored from its storage: running jobs are known, PENDING ones stay PENDING and never start. */
    losePending: () => {
      for (const job of jobs.values()) if (job.status === "PENDING") job.lost = true;
    },
    /** Holds back every start until `resume`. */
    pause: () => {
      paused = true;
    },
    resume: () => {
      paused = false;
      schedule();
    },
    /** Stops whatever still runs and waits for it. */
    close: async () => {
      closed = true;
      for (const job of jobs.values()) job.abort.abort("closed");
      await Promise.all(running);
    },
  };
}

export function isHead(node: FakeNode): boolean {
  return node.resources["node:__internal_head__"] !== undefined;
}

function newJob(submission: FakeSubmission): FakeJob {
  return {
    submission,
    status: "PENDING",
    message: PENDING_MESSAGE,
    errorType: null,
    exitCode: null,
    node: null,
    stopRequested: false,
    lost: false,
    startTime: Date.now(),
    endTime: null,
    abort: new AbortController(),
  };
}

function newSession(): string {
  return `session_2026-01-01_00-00-00_${randomBytes(3).readUIntBE(0, 3) % 1_000_000}_${1000 + (randomBytes(2).readUInt16BE(0) % 9000)}`;
}
