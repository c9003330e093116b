/**
 * Ray's head is killed while tasks run, and another one without any memory takes its place: what happens to them, by what their processes wrote
 * into the world, and what the server made of it. One round of it is a test, many are the campaign `head-loss`.
 */
import { api, hasEnded, type ServerProcess, startServerProcess } from "./server-process.ts";
import { type FaultCluster, startFaultCluster } from "./fault-cluster.ts";
import { realClock } from "./real-ray.ts";
import { livesOf, makeStubRoot, overlapOf, startedTwice, type StubRoot, type Trainee } from "./stub-trainer/stub-root.ts";

const quiet = new AbortController().signal;
const LOOK_MS = 250;

/** short: what makes a round a minute long · default: Ray's own time-outs, and verlpool's. */
export type Pace = "short" | "default";

const PACES = {
  short: { reconnectS: 5, lease: { SELF_FENCE_S: "10", GRACE_S: "2", BEAT_S: "1" }, survivesMs: 75_000, endsMs: 300_000 },
  default: { reconnectS: null, lease: { SELF_FENCE_S: "30", GRACE_S: "20", BEAT_S: "5" }, survivesMs: 150_000, endsMs: 480_000 },
} as const;

/** What product.md promises on a local file system. */
const VERDICT_LIMIT_S = 150;

export type HeadLossWorld = {
  readonly pace: Pace;
  readonly contained: boolean;
  readonly cluster: FaultCluster;
  readonly root: StubRoot;
  readonly server: ServerProcess;
  readonly close: () => Promise<void>;
};

export type RoundPlan = {
  readonly tasks: readonly { readonly ray: "none" | "actors"; readonly nnodes: number; readonly gpus: number }[];
  /** Counted from the submission, or from when all of them run. */
  readonly killAfterMs: number;
  readonly from: "submission" | "running";
  readonly outageMs: number;
  /** The new head is killed too, so long after it answered; null = it is not. */
  readonly againAfterMs: number | null;
};

export type RoundOutcome = {
  readonly seconds: number;
  readonly overlapS: number;
  /** From the kill to the end of each first attempt in the server's eyes, where another one followed. */
  readonly verdictsS: readonly number[];
  /** Attempts of a task, and how it ended: `1 SUCCEEDED`. */
  readonly ends: readonly string[];
  readonly violations: readonly string[];
};

/** The environment of a server whose waits are short where `pace` says so. */
export function paceEnv(pace: Pace): { readonly [name: string]: string } {
  const lease = Object.entries(PACES[pace].lease).map(([name, value]) => [`VERLPOOL_LEASE_${name}`, value] as const);
  return {
    ...Object.fromEntries(lease),
    VERLPOOL_SCHEDULER_TICK_S: "0.5",
    VERLPOOL_SCHEDULER_HAND_OVER_S: "1",
    VERLPOOL_SCHEDULER_MAX_RUNNING_TASKS: "8",
    VERLPOOL_SCHEDULER_RETRY_INTERVAL_S: "2",
    VERLPOOL_ATTEMPTS_BACKOFF_S: "1",
  };
}

export async function openHeadLossWorld(python: string, pace: Pace, contained: boolean): Promise<HeadLossWorld> {
  const cluster = await startFaultCluster({ python, reconnectS: PACES[pace].reconnectS, contained });
  const root = makeStubRoot();
  try {
    await cluster.startHead("empty");
    await Promise.all([cluster.addWorker({ gpus: 4, cpus: 64 }), cluster.addWorker({ gpus: 4, cpus: 64 })]);
    const env = { ...paceEnv(pace), VERLPOOL_POOL_PYTHON: python, VERLPOOL_RAY_TOKEN_FILE: cluster.tokenFile };
    const server = await startServerProcess({ root: root.root, rayAddress: cluster.dashboardUrl, env });
    await api(server, "POST", "/api/v2/users", { user_id: "alice" });
    const close = async (): Promise<void> => {
      server.child.kill("SIGTERM");
      await server.exited;
      await cluster.close();
      root.remove();
    };
    return { pace, contained, cluster, root, server, close };
  } catch (error) {
    await cluster.close();
    root.remove();
    throw error;
  }
}

type Followed = { readonly taskId: string; readonly trainee: Trainee };
type Wire = { readonly [key: string]: unknown };

export async function headLossRound(world: HeadLossWorld, plan: RoundPlan): Promise<RoundOutcome> {
  const began = performance.now();
  const { cluster, root, server } = world;
  await cluster.workersAlive();
  const followed: Followed[] = [];
  for (const { ray, nnodes, gpus } of plan.tasks) {
    const trainee = root.trainee({ gate: true, ray }, { nnodes, gpus });
    const answer = await api(server, "POST", "/api/v2/tasks?user=alice", trainee.spec);
    if (answer.status !== 201) throw new Error(answer.text);
    followed.push({ trainee, taskId: String(answer.body["task_id"]) });
  }
  if (plan.from === "running") await allRun(world, followed);
  await realClock.sleep(plan.killAfterMs, quiet);
  const killedAt = performance.now();
  await replaceHead(cluster, plan.outageMs);
  if (plan.againAfterMs !== null) {
    await realClock.sleep(plan.againAfterMs, quiet);
    await replaceHead(cluster, plan.outageMs);
  }
  const backAt = performance.now();
  const outcomes = await Promise.all(followed.map((one) => follow(world, one, killedAt, backAt)));
  return {
    seconds: (performance.now() - began) / 1000,
    overlapS: Math.max(...followed.map(({ trainee }) => overlapOf(trainee.signs()))),
    verdictsS: outcomes.flatMap(({ verdictS }) => (verdictS === null ? [] : [verdictS])),
    ends: outcomes.map(({ end }) => end),
    violations: outcomes.flatMap(({ violations }) => violations),
  };
}

async function replaceHead(cluster: FaultCluster, outageMs: number): Promise<void> {
  await cluster.killHead();
  await realClock.sleep(outageMs, quiet);
  await cluster.startHead("empty");
}

async function allRun({ pace }: HeadLossWorld, followed: readonly Followed[]): Promise<void> {
  const deadline = performance.now() + PACES[pace].endsMs;
  const runs = ({ trainee }: Followed): boolean => trainee.signs().length > 0;
  while (!followed.every(runs)) {
    if (performance.now() > deadline) throw new Error("the tasks do not start before the head is killed");
    await realClock.sleep(LOOK_MS, quiet);
  }
}

/**
 * Until it has ended. It may end once a second attempt has shown itself for a while, so that a survivor of the first would be seen beside it, or
 * when the first one has outlived everything.
 */
async function follow(world: HeadLossWorld, { taskId, trainee }: Followed, killedAt: number, backAt: number) {
  const { server, pace } = world;
  const { survivesMs, endsMs } = PACES[pace];
  let verdictS: number | null = null;
  let isOpen = false;
  for (;;) {
    const task = (await api(server, "GET", `/api/v2/tasks/${taskId}`)).body;
    const attempts = (await api(server, "GET", `/api/v2/tasks/${taskId}/attempts`)).body["attempts"] as readonly Wire[];
    const now = performance.now();
    const first = attempts.find((attempt) => attempt["attempt"] === 1);
    if (verdictS === null && first !== undefined && first["ended_at"] !== null) verdictS = (now - killedAt) / 1000;
    const newest = livesOf(trainee.signs()).get(`${taskId}--a${String(attempts.length).padStart(2, "0")}`);
    const shown = attempts.length > 1 && newest !== undefined && newest.last - newest.first > 3;
    if (!isOpen && (shown || now - backAt > survivesMs)) {
      isOpen = true;
      trainee.go();
    }
    const late = now - backAt > endsMs;
    if (!hasEnded(task) && !late) {
      await realClock.sleep(LOOK_MS, quiet);
      continue;
    }
    if (late) await api(server, "POST", `/api/v2/tasks/${taskId}:cancel`, {});
    const verdict = attempts.length > 1 ? verdictS : null;
    return {
      verdictS: verdict,
      end: `${attempts.length} ${String(task["state"])}`,
      violations: violationsOf(taskId, trainee, task, attempts, verdict),
    };
  }
}

function violationsOf(taskId: string, trainee: Trainee, task: Wire, attempts: readonly Wire[], verdictS: number | null): readonly string[] {
  const signs = trainee.signs();
  const overlap = overlapOf(signs);
  const known = new Set(attempts.map((attempt) => attempt["submission_id"]));
  const strangers = [...livesOf(signs).keys()].filter((attempt) => !known.has(attempt));
  const numbers = attempts.map((attempt) => attempt["attempt"]);
  return [
    ...(task["state"] === "SUCCEEDED" ? [] : [`is ${String(task["state"])}: ${JSON.stringify(task["failure"] ?? task["waiting"])}`]),
    ...(overlap > 0 ? [`two attempts lived at once for ${overlap.toFixed(3)} s`] : []),
    ...startedTwice(signs).map((attempt) => `${attempt} was started twice`),
    ...strangers.map((attempt) => `${attempt} ran and has no row`),
    ...(numbers.every((number, index) => number === index + 1) ? [] : [`its attempts are ${numbers.join(", ")}`]),
    ...(verdictS !== null && verdictS > VERDICT_LIMIT_S ? [`the verdict took ${verdictS.toFixed(0)} s`] : []),
  ].map((text) => `${taskId}: ${text}`);
}
