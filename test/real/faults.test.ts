/**
 * One round of each fault on real Ray, judged by what the trainers' own processes wrote while they lived (test/support/stub-trainer), not by our
 * database. Stop of a PENDING job with capacity coming later: cancel-pending.test.ts. kill -9 of the server: crash-points.test.ts. Many rounds of
 * the lost head: `npm run campaign -- head-loss`.
 */
import { readdirSync, readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createRayJobs } from "../../src/ray/jobs-client.ts";
import { createRayHttp, type RayHttp } from "../../src/ray/ray-http.ts";
import { environmentOf, type FaultCluster, startFaultCluster } from "../support/fault-cluster.ts";
import { type HeadLossWorld, headLossRound, openHeadLossWorld, paceEnv, type RoundOutcome } from "../support/head-loss-round.ts";
import { pythonFrom, realClock } from "../support/real-ray.ts";
import {
  api,
  endServerProcesses,
  hasEnded,
  type ServerProcess,
  startServerProcess,
  waitForTask,
  type Wire,
} from "../support/server-process.ts";
import { makeStubRoot, overlapOf, startedTwice, type StubRoot, type Trainee } from "../support/stub-trainer/stub-root.ts";
import { startTcpProxy, type TcpProxy } from "../support/tcp-proxy.ts";

const PATIENCE_MS = 180_000;
const PATIENCE = { timeout: PATIENCE_MS, interval: 200 };
const HUNG_MS = 20_000;
const quiet = new AbortController().signal;

type Submitted = { readonly id: string; readonly trainee: Trainee };

let root: StubRoot;
let cluster: FaultCluster;
let proxy: TcpProxy;
let server: ServerProcess;
let http: RayHttp;
let lossWorld: HeadLossWorld | null = null;
/** Mostly waiting, so it goes on beside the other rounds, in a cluster of its own. */
let emptyHead: Promise<PromiseSettledResult<RoundOutcome>>;

async function roundOfEmptyHead(python: string): Promise<RoundOutcome> {
  lossWorld = await openHeadLossWorld(python, "short", true);
  const tasks = [
    { ray: "none", nnodes: 1, gpus: 1 },
    { ray: "actors", nnodes: 2, gpus: 1 },
  ] as const;
  return headLossRound(lossWorld, { tasks, from: "running", killAfterMs: 1_000, outageMs: 8_000, againAfterMs: null });
}

async function submit(trainee: Trainee, query = ""): Promise<Submitted> {
  const answer = await api(server, "POST", `/api/v2/tasks?user=alice${query}`, trainee.spec);
  expect(answer.status, answer.text).toBe(201);
  return { id: String(answer.body["task_id"]), trainee };
}

async function cancel(id: string): Promise<void> {
  const answer = await api(server, "POST", `/api/v2/tasks/${id}:cancel`, {});
  expect(answer.status, answer.text).toBe(200);
}

function reaches(id: string, state: string): Promise<Wire> {
  return waitForTask(
    server,
    id,
    (task) => {
      if (hasEnded(task) && task["state"] !== state) throw new Error(JSON.stringify(task));
      return task["state"] === state;
    },
    PATIENCE_MS,
  );
}

async function attemptsOf(id: string): Promise<readonly Wire[]> {
  return (await api(server, "GET", `/api/v2/tasks/${id}/attempts`)).body["attempts"] as Wire[];
}

/** Every change of state of the task and its attempts. */
async function changesOf(id: string): Promise<readonly Wire[]> {
  const { body } = await api(server, "GET", `/api/v2/tasks/${id}/events`);
  return (body["events"] as Wire[]).filter(({ type }) => type === "state_changed" || type.startsWith("attempt_"));
}

/** RUNNING in the world, not only in the database: with so many attempts that started. */
async function runs({ id, trainee }: Submitted, attempts = 1): Promise<void> {
  const lives = () => new Set(trainee.signs().map(({ attempt }) => attempt)).size;
  await expect.poll(lives, PATIENCE).toBe(attempts);
  await reaches(id, "RUNNING");
}

/** Ray may give a driver to a node whose death it has not noticed; that attempt is revoked and runs nothing. */
async function startedAttempts(id: string): Promise<readonly Wire[]> {
  return (await attemptsOf(id)).filter((attempt) => attempt["state"] !== "NEVER_STARTED");
}

/** Its POST stays on the way until the proxy lets it pass. */
async function submitHeldBack(): Promise<Submitted> {
  proxy.holdSubmissions();
  const posted = await submit(root.trainee());
  await reaches(posted.id, "SUBMITTING");
  await expect.poll(() => proxy.held(), PATIENCE).toBeGreaterThan(0);
  return posted;
}

async function startRunning(...given: Parameters<StubRoot["trainee"]>): Promise<Submitted> {
  const task = await submit(root.trainee({ gate: true, ...given[0] }, given[1]));
  await runs(task);
  return task;
}

async function endsWell({ id, trainee }: Submitted, attempts: readonly string[]): Promise<void> {
  trainee.go();
  await reaches(id, "SUCCEEDED");
  const started = await startedAttempts(id);
  expect(started.map((attempt) => attempt["state"])).toEqual(attempts);
  expect(new Set(trainee.signs().map(({ attempt }) => attempt))).toEqual(new Set(started.map((attempt) => attempt["submission_id"])));
  expect(overlapOf(trainee.signs())).toBe(0);
  expect(startedTwice(trainee.signs())).toEqual([]);
}

/** The living processes of a task's attempts on this machine, by the tag that each of them carries; Ray's own of the job are among them. */
function processesOf(id: string): readonly { readonly pid: number; readonly command: string }[] {
  const tag = `\0VERLPOOL_ATTEMPT=${id}--a`;
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && environmentOf(Number(name)).includes(tag))
    .map((name) => ({ pid: Number(name), command: readFileSync(`/proc/${name}/cmdline`, "latin1").replaceAll("\0", " ") }));
}

/** The driver and its launcher. Ray's own processes of the job end when Ray has heard of its end. */
function trainersOf(id: string): readonly string[] {
  return processesOf(id).flatMap(({ command }) => (/verl\.trainer|launch\.py/.test(command) ? [command] : []));
}

function pidOf(id: string, part: RegExp): number {
  const found = processesOf(id).find(({ command }) => part.test(command));
  if (found === undefined) throw new Error(`no process of ${id} is ${part}: ${JSON.stringify(processesOf(id))}`);
  return found.pid;
}

beforeAll(async () => {
  const python = pythonFrom("VERLPOOL_TEST_PYTHON");
  emptyHead = Promise.allSettled([roundOfEmptyHead(python)]).then(([outcome]) => outcome);
  root = makeStubRoot();
  cluster = await startFaultCluster({ python, reconnectS: 60, contained: true });
  await cluster.startHead("empty");
  await Promise.all([3, 4, 1].map((gpus) => cluster.addWorker({ gpus, cpus: 64 })));
  proxy = await startTcpProxy(cluster.dashboardUrl);
  http = createRayHttp({ baseUrl: () => cluster.dashboardUrl, tokenFile: () => cluster.tokenFile });
  const env = { ...paceEnv("short"), VERLPOOL_POOL_PYTHON: python, VERLPOOL_RAY_TOKEN_FILE: cluster.tokenFile };
  server = await startServerProcess({ root: root.root, rayAddress: proxy.url, env });
  await api(server, "POST", "/api/v2/users", { user_id: "alice" });
});

afterAll(async () => {
  await emptyHead;
  await endServerProcesses();
  await http?.close();
  await proxy?.close();
  await cluster?.close();
  await lossWorld?.close();
  root?.remove();
});

describe("on real Ray, by the world's own word", () => {
  let gang: Submitted;
  let onKilledWorker: Submitted;
  let withoutLauncher: Submitted;

  test("a 2 × 4 task waits beside nodes of 3, 4 and 1 GPUs, and says which node lacks what", async () => {
    gang = await submit(root.trainee({ ray: "actors" }, { nnodes: 2, gpus: 4 }));
    const { waiting, next_run_at } = await reaches(gang.id, "PENDING_RESOURCES");
    expect(waiting["code"]).toBe("impossible_now");
    expect(waiting["text"]).toMatch(
      /^needs 2 × 4 GPUs .*1 more node of that shape .*worker-1: 3 of 3 GPUs free; worker-2: fits; worker-3: 1 of 1 GPUs free/,
    );
    expect(next_run_at).not.toBeNull();
  });

  test("a shape that no node has waits as impossible_now, holds up nobody, and can be canceled", async () => {
    const tooBig = await submit(root.trainee({}, { nnodes: 1, gpus: 64 }));
    expect((await reaches(tooBig.id, "PENDING_RESOURCES"))["waiting"]["code"]).toBe("impossible_now");
    await endsWell(await submit(root.trainee()), ["SUCCEEDED"]);
    await cancel(tooBig.id);
    await reaches(tooBig.id, "CANCELED");
    expect([await attemptsOf(tooBig.id), tooBig.trainee.signs()]).toEqual([[], []]);
  });

  test("a worker is killed with everything on it: its attempt falls silent and is not taken for dead at once", async () => {
    onKilledWorker = await startRunning({ ray: "actors" });
    const node = String((await attemptsOf(onKilledWorker.id)).at(-1)?.["node"]);
    expect(node).toMatch(/^worker-[123]$/);
    await cluster.killWorker(node);
    const waits = (task: Wire) => task["waiting"]?.["code"] === "quarantine";
    const task = await waitForTask(server, onKilledWorker.id, waits, PATIENCE_MS);
    expect([task["state"], (await attemptsOf(onKilledWorker.id)).length]).toEqual(["RUNNING", 1]);
  });

  test("a driver that is killed is a loss by its launcher's word, and is tried again at once", async () => {
    const killed = await startRunning();
    process.kill(pidOf(killed.id, / -m verl\.trainer\.sft_trainer_ray /), "SIGKILL");
    await runs(killed, 2);
    const [first] = await startedAttempts(killed.id);
    expect(first).toMatchObject({ state: "FAILED", signal: "SIGKILL", failure: { label: "worker_crash_unknown", retryable: true } });
    await endsWell(killed, ["FAILED", "SUCCEEDED"]);
  });

  test("a launcher that is killed takes its driver with it", async () => {
    withoutLauncher = await startRunning();
    // Of its two processes the outer one, which Ray started first; nobody is left to write a result.
    process.kill(pidOf(withoutLauncher.id, /^\S+ -I -S \S+launch\.py /), "SIGKILL");
    const { id, trainee } = withoutLauncher;
    await expect.poll(() => trainersOf(id), PATIENCE).toEqual([]);
    const signs = trainee.signs().length;
    const waits = (task: Wire) => task["waiting"]?.["code"] === "quarantine";
    await waitForTask(server, id, waits, PATIENCE_MS);
    expect(trainee.signs()).toHaveLength(signs);
  });

  test("verl's fail-fast waits for resources and then gets a new attempt", async () => {
    const short = await submit(root.trainee({ fail_fast: true }, { workload: "ppo" }));
    const { waiting, failure } = await reaches(short.id, "PENDING_RESOURCES");
    expect([waiting["code"], waiting["details"]["after_attempt"] > 0, failure]).toEqual(["no_capacity", true, null]);
    expect((await startedAttempts(short.id))[0]).toMatchObject({ state: "FAILED", failure: { label: "gpu_shortage" } });
    short.trainee.enough();
    await reaches(short.id, "SUCCEEDED");
    expect((await attemptsOf(short.id)).at(-1)).toMatchObject({ state: "SUCCEEDED" });
    expect(overlapOf(short.trainee.signs())).toBe(0);
  });

  test("a placement that never comes is ended by the time limit, with no process left", async () => {
    const hung = await submit(root.trainee({ ray: "hang" }), "&max_runtime_s=10");
    await runs(hung);
    const { failure } = await reaches(hung.id, "FAILED");
    expect(failure["label"]).toBe("time_limit");
    await expect.poll(() => trainersOf(hung.id), PATIENCE).toEqual([]);
  });

  test("cancel of a running task ends its processes; cancel during the POST leaves a ghost that runs nothing", async () => {
    const running = await startRunning({ ray: "actors" });
    const posted = await submitHeldBack();
    await Promise.all([running, posted].map(({ id }) => cancel(id)));
    await Promise.all([running, posted].map(({ id }) => reaches(id, "CANCELED")));
    const driver = running.trainee.signs().filter(({ role }) => role === "driver").length;
    await expect.poll(() => trainersOf(running.id), PATIENCE).toEqual([]);
    expect(running.trainee.signs().filter(({ role }) => role === "driver")).toHaveLength(driver);
    proxy.pass();
    const jobs = createRayJobs(http);
    const status = async (): Promise<string> => {
      const view = await jobs.get(`${posted.id}--a01`, quiet);
      return view.kind === "found" ? view.status : view.kind;
    };
    await expect.poll(status, PATIENCE).toMatch(/FAILED|STOPPED/);
    expect(posted.trainee.signs()).toEqual([]);
    expect(JSON.parse(root.jobFile("alice", `${posted.id}--a01`, "control/claim"))).toMatchObject({ by: "server", why: "cancel" });
  });

  test("a dashboard that takes connections and never answers changes nothing; what waits can be canceled meanwhile", async () => {
    const running = await startRunning();
    const before = await changesOf(running.id);
    proxy.hang();
    try {
      const until = performance.now() + HUNG_MS;
      // A pass that saw the head before may still start something, which is then revoked; this is about what comes later.
      await expect.poll(async () => ((await api(server, "GET", "/api/v2/nodes")).body["head"] as Wire)["state"], PATIENCE).toBe("down");
      const queued = await submit(root.trainee());
      await waitForTask(server, queued.id, (task) => (task["waiting"] as Wire | null)?.["code"] === "head_lost", PATIENCE_MS);
      await cancel(queued.id);
      await reaches(queued.id, "CANCELED");
      expect([await attemptsOf(queued.id), queued.trainee.signs()]).toEqual([[], []]);
      await realClock.sleep(Math.max(0, until - performance.now()), quiet);
    } finally {
      proxy.pass();
    }
    expect(await changesOf(running.id)).toEqual(before);
    await endsWell(running, ["SUCCEEDED"]);
    await endsWell(await submit(root.trainee()), ["SUCCEEDED"]);
  });

  test("the attempts on the killed worker and of the killed launcher are LOST, and the next ones never met them", async () => {
    for (const task of [onKilledWorker, withoutLauncher]) {
      await runs(task, 2);
      await endsWell(task, ["LOST", "SUCCEEDED"]);
    }
  });

  test("the shortage of the 2 × 4 task ends by itself when a worker joins", async () => {
    expect((await reaches(gang.id, "PENDING_RESOURCES"))["attempts"]).toBe(0);
    expect(await cluster.addWorker({ gpus: 4, cpus: 64 })).toBe("worker-4");
    await endsWell(gang, ["SUCCEEDED"]);
    const roles = new Set(gang.trainee.signs().map(({ role }) => role));
    expect(roles).toEqual(new Set(["driver", "actor-0", "actor-1"]));
  });

  test("a killed head that comes back with its memory finds the same attempt at work", async () => {
    const task = await startRunning({ ray: "actors" });
    await cluster.killHead();
    await cluster.startHead("kept");
    const signs = task.trainee.signs().length;
    await expect
      .poll(
        () =>
          new Set(
            task.trainee
              .signs()
              .slice(signs)
              .map(({ role }) => role),
          ).size,
        PATIENCE,
      )
      .toBe(2);
    await endsWell(task, ["SUCCEEDED"]);
  });

  test("a killed head that comes back empty: no two attempts ever live at once, and each task ends well", async () => {
    const outcome = await emptyHead;
    if (outcome.status === "rejected") throw outcome.reason;
    expect(outcome.value.violations).toEqual([]);
    expect(outcome.value.overlapS).toBe(0);
    expect(outcome.value.ends).toHaveLength(2);
    console.log(`the first attempts were declared LOST after ${outcome.value.verdictsS.map((s) => s.toFixed(0)).join(" and ")} s`);
  });
});
