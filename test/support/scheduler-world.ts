/**
 * The scheduler in a world of its own: the real store in memory, real job directories under a temp directory, the real Ray client against the
 * fake Ray over HTTP, a clock that the test moves, and launchers that do what the test says.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Command, CommandSource } from "../../src/control/command-source.ts";
import { AUDIT, byUser } from "./audit-samples.ts";
import { cancelTask } from "../../src/control/change-task.ts";
import type { JobFiles, Log, NewTask, Store } from "../../src/control/ports.ts";
import type { FailpointName, SchedulerDeps } from "../../src/control/scheduler/context.ts";
import { type SchedulerLoop, schedulerLoop } from "../../src/control/scheduler/loop.ts";
import { queueOrder } from "../../src/control/usage.ts";
import type { QueueOrder } from "../../src/domain/queue-order.ts";
import { formatTaskId } from "../../src/domain/ids.ts";
import { isTerminal } from "../../src/domain/task-state.ts";
import type { Attempt, Task, TaskEvent, Workload } from "../../src/domain/types.ts";
import { createRayCluster } from "../../src/ray/cluster-client.ts";
import { createRayJobs } from "../../src/ray/jobs-client.ts";
import { createRayHttp } from "../../src/ray/ray-http.ts";
import { jobFiles } from "../../src/storage/job-files.ts";
import { logFiles } from "../../src/storage/log-files.ts";
import { nodeFiles } from "../../src/storage/node-files.ts";
import type { OperationName } from "../../src/storage/operations.ts";
import { type CallStorage, storageInProcess } from "../../src/storage/storage-client.ts";
import { storageTrouble } from "../../src/storage/trouble.ts";
import { openStore } from "../../src/store/open-store.ts";
import { type FakeRay, startFakeRay } from "./fake-ray.ts";
import type { FakeEnd, FakeStart } from "./fake-ray-cluster.ts";
import { type ManualClock, manualClock } from "./manual-clock.ts";
import { type ResultFields, type SimulatedLauncher, simulatedLauncher } from "./simulated-launcher.ts";
import { CREATED, newTask, newUser, NOW } from "./task-samples.ts";

/** One start of an entrypoint by the fake Ray. */
export type Start = {
  readonly submissionId: string;
  readonly launcher: SimulatedLauncher;
  readonly isStopped: () => boolean;
  /** What Ray sees as the end of the entrypoint. */
  readonly exit: (code: number) => void;
  /** Writes result.json and exits accordingly. */
  readonly finish: (fields?: ResultFields) => void;
};

/** What a launcher does by itself when Ray starts it. `hold`: claims and beats once · `run`: claims, beats, ends with 0 · `manual`: nothing. */
export type LauncherScript = "hold" | "run" | "manual";

export type WorldOptions = {
  readonly script?: LauncherScript;
  readonly settings?: Partial<SchedulerDeps["settings"]>;
  readonly stalls?: Partial<SchedulerDeps["stalls"]>;
  /** Deadline of a call to Ray, in real time. */
  readonly rayTotalMs?: number;
  readonly nodes?: readonly { readonly name: string; readonly gpus: number; readonly cpus: number }[];
  /** Ray answers nothing at first. */
  readonly rayDown?: boolean;
  readonly databaseUrl?: string;
  readonly order?: QueueOrder["by"];
};

export type SchedulerWorld = {
  readonly clock: ManualClock;
  readonly store: Store;
  readonly files: JobFiles;
  readonly ray: FakeRay;
  readonly deps: SchedulerDeps;
  readonly loop: SchedulerLoop;
  readonly root: string;
  readonly starts: readonly Start[];
  /** The newest start; throws when there is none. */
  readonly lastStart: () => Start;
  readonly setScript: (script: LauncherScript) => void;
  /** Every storage call of these names fails; null = none. */
  readonly breakStorage: (names: ReadonlySet<OperationName> | "all" | null) => void;
  /** Called at each failpoint; may throw. */
  readonly onFailpoint: (act: (name: FailpointName) => void) => void;
  readonly breakCommandOf: (taskId: string, error: Error | null) => void;
  readonly addUser: (userId: string) => Promise<void>;
  readonly submit: (workload?: Workload, over?: Partial<NewTask>) => Promise<Task>;
  readonly cancel: (taskId: string) => Promise<Task>;
  readonly task: (taskId: string) => Promise<Task>;
  readonly attempts: (taskId: string) => Promise<readonly Attempt[]>;
  readonly events: (taskId: string) => Promise<readonly TaskEvent[]>;
  /** `QUEUED>SUBMITTING …`: the states that events say it went through. */
  readonly path: (taskId: string) => Promise<string>;
  /** One pass, and time for the fake Ray to start what it got. */
  readonly pass: () => Promise<void>;
  /** Passes with `stepMs` between them until `condition` holds; throws with the tasks' states after `limit`. */
  readonly passUntil: (condition: () => boolean | Promise<boolean>, stepMs?: number, limit?: number) => Promise<void>;
  readonly passUntilState: (taskId: string, state: Task["state"]) => Promise<Task>;
  /** Passes for `ms` of the manual clock, in steps short enough to count as healthy. */
  readonly passFor: (ms: number) => Promise<void>;
  /** A second scheduler on the same world, as after a restart: it remembers nothing. */
  readonly restart: () => SchedulerLoop;
  /** What the meters were told. */
  readonly outcomes: readonly string[];
  readonly queueWaits: readonly number[];
  readonly close: () => Promise<void>;
};

const SETTINGS: SchedulerDeps["settings"] = {
  maxRunningTasks: 10,
  retryIntervalMs: 60_000,
  reserveAfterMs: 3_600_000,
  tickMs: 1_000,
  startTimeoutMs: 300_000,
  selfFenceMs: 30_000,
  quarantineMs: 80_000,
  maxLosses: 5,
  backoffMs: 30_000,
  handOverMs: 0,
  staleMs: 0,
  minFreeBytes: 0,
  minNodeFreeBytes: 0,
  cordonAfterFailures: 2,
};

const SILENT: Log = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };

export async function makeSchedulerWorld(options: WorldOptions = {}): Promise<SchedulerWorld> {
  const root = mkdtempSync(join(tmpdir(), "verlpool-world-"));
  const clock = manualClock(NOW);
  const signal = new AbortController().signal;
  const starts: Start[] = [];
  let script: LauncherScript = options.script ?? "hold";

  const run = (start: FakeStart): Promise<FakeEnd> =>
    new Promise((resolve) => {
      const launcher = simulatedLauncher(start.submission.entrypoint.split(" ").at(-1) ?? "", clock.now);
      const exit = (exitCode: number): void => resolve({ exitCode });
      const finish = (fields: ResultFields = {}): void => {
        launcher.writeResult(fields);
        exit(fields.exit_code === undefined ? 0 : (fields.exit_code ?? 143));
      };
      const isStopped = (): boolean => start.signal.aborted;
      starts.push({ submissionId: start.submission.submission_id, launcher, isStopped, exit, finish });
      if (script === "manual") return;
      if (!launcher.claim()) return exit(75);
      launcher.beat();
      if (script === "run") finish();
    });

  const ray = await startFakeRay({ run });
  for (const { name, gpus, cpus } of options.nodes ?? [{ name: "worker-1", gpus: 8, cpus: 64 }])
    ray.cluster.addNode(name, "127.0.0.3", { CPU: cpus, GPU: gpus, worker_node: 100 });
  if (options.rayDown === true) await ray.down();
  const http = createRayHttp(
    { baseUrl: () => ray.baseUrl, tokenFile: () => null },
    { connectMs: 2_000, totalMs: options.rayTotalMs ?? 10_000 },
  );

  let broken: ReadonlySet<OperationName> | "all" | null = null;
  const storage = storageInProcess({ sharedRoot: root, allowedSymlinkTargets: [] });
  const call: CallStorage = (name, args) =>
    broken === "all" || broken?.has(name) === true
      ? Promise.reject(storageTrouble("hang", `storage: ${name}: no answer`))
      : storage.call(name, args);

  let serial = 0;
  const ids = { hex: (bytes: number) => (serial += 1).toString(16).padStart(bytes * 2, "0") };
  const store = await openStore({ url: options.databaseUrl ?? ":memory:", ids, clock });
  const files = jobFiles({ call, clock, ids, host: "server-host" });
  const nodes = nodeFiles(call, "default", process.getuid?.() ?? 0, () => ids.hex(8));
  const outcomes: string[] = [];
  const queueWaits: number[] = [];
  const brokenCommands = new Map<string, Error>();
  let failpoint: (name: FailpointName) => void = () => undefined;
  const deps: SchedulerDeps = {
    store,
    files,
    logs: logFiles(call),
    nodeFiles: nodes,
    ray: createRayJobs(http),
    cluster: createRayCluster(
      http,
      () => null,
      () => ray.baseUrl,
    ),
    commands: commandSource(root, brokenCommands),
    order: queueOrder({ store, clock }, { order: options.order ?? "priority", fairHalfLifeDays: 7 }),
    clock,
    ids,
    log: SILENT,
    meters: {
      tick: () => undefined,
      attemptEnded: (outcome) => void outcomes.push(outcome),
      queueWait: (seconds) => void queueWaits.push(seconds),
    },
    failpoint: (name) => failpoint(name),
    paceOf: () => null,
    stalls: { factor: 10, minMs: 600_000, firstStepMs: 3_600_000, policy: "mark", ...options.stalls },
    settings: { ...SETTINGS, ...options.settings },
  };
  const makeLoop = (): SchedulerLoop => schedulerLoop(deps, "test");
  let loop = makeLoop();
  await store.users.insertUser(newUser("alice"), AUDIT);

  const taskOf = async (taskId: string): Promise<Task> => {
    const task = await store.tasks.get(taskId);
    if (task === null) throw new Error(`no task ${taskId}`);
    return task;
  };
  const pass = async (): Promise<void> => {
    await loop.once(signal);
    // The fake Ray starts what it got in the next turns of the event loop.
    for (let i = 0; i < 5; i += 1) await new Promise((resolve) => setImmediate(resolve));
  };
  const passUntil: SchedulerWorld["passUntil"] = async (condition, stepMs = 1_000, limit = 60) => {
    for (let i = 0; i < limit; i += 1) {
      await pass();
      if (await condition()) return;
      clock.advance(stepMs);
    }
    const open = await store.tasks.list({ userId: null, states: null, workload: null, labels: {} }, null, 200);
    const shown = open.rows.map((task) => `${task.taskId} ${task.state} a${task.attempts} ${JSON.stringify(task.waiting)}`);
    throw new Error(`not after ${limit} passes; tasks:\n${shown.join("\n")}`);
  };
  const events = async (taskId: string): Promise<readonly TaskEvent[]> => (await store.tasks.events(taskId, 0, 200)).rows;

  return {
    clock,
    store,
    files,
    ray,
    deps,
    get loop() {
      return loop;
    },
    root,
    starts,
    lastStart: () => {
      const start = starts.at(-1);
      if (start === undefined) throw new Error("Ray has started nothing");
      return start;
    },
    setScript: (next) => {
      script = next;
    },
    breakStorage: (names) => {
      broken = names;
    },
    onFailpoint: (act) => {
      failpoint = act;
    },
    breakCommandOf: (taskId, error) => {
      if (error === null) brokenCommands.delete(taskId);
      else brokenCommands.set(taskId, error);
    },
    addUser: async (userId) => {
      await store.users.insertUser(newUser(userId), AUDIT);
    },
    submit: async (workload = "sft", over = {}) => {
      const userId = over.userId ?? "alice";
      serial += 1;
      const taskId = formatTaskId(userId, workload, clock.now(), serial.toString(16).padStart(8, "0"));
      const task = newTask(taskId, {
        workload,
        needs: { nodes: 1, gpusPerNode: 1, cpusPerNode: 1 },
        createdAt: clock.now(),
        ...over,
      });
      const outcome = await store.tasks.insertTask(task, CREATED, null, null, () => "");
      if (outcome.kind !== "created") throw new Error(`the task was not created: ${outcome.kind}`);
      return outcome.task;
    },
    cancel: (taskId) => cancelTask({ store, clock }, taskId, byUser("alice")),
    task: taskOf,
    attempts: (taskId) => store.tasks.attempts(taskId),
    events,
    path: async (taskId) => {
      const moves = (await events(taskId)).filter((event) => event.to !== null);
      return moves.map((event) => event.to).join(">");
    },
    pass,
    passUntil,
    passUntilState: async (taskId, state) => {
      await passUntil(async () => {
        const task = await taskOf(taskId);
        if (isTerminal(task.state) && task.state !== state)
          throw new Error(`${taskId} ended ${task.state}: ${JSON.stringify(task.failure)}`);
        return task.state === state;
      });
      return taskOf(taskId);
    },
    passFor: async (ms) => {
      for (let left = ms; left > 0; left -= 10_000) {
        clock.advance(Math.min(left, 10_000));
        await pass();
      }
    },
    restart: () => {
      loop = makeLoop();
      return loop;
    },
    outcomes,
    queueWaits,
    close: async () => {
      for (const start of starts) start.exit(0);
      await ray.close();
      await http.close();
      await store.close();
      rmSync(root, { recursive: true, force: true });
    },
  };
}

function commandSource(root: string, broken: ReadonlyMap<string, Error>): CommandSource {
  return {
    choose: () => Promise.reject(new Error("tasks of this world come with their profile")),
    list: () => Promise.resolve([]),
    build: (task, submissionId, attempt, _session, resume, deadline) => {
      const error = broken.get(task.taskId);
      if (error !== undefined) return Promise.reject(error);
      const jobDir = `${root}/users/${task.userId}/jobs/${submissionId}`;
      const command: Command = {
        argv: ["true", ...(resume === null ? [] : [`resume ${resume.submissionId} ${resume.step}`])],
        env: { VERLPOOL_ATTEMPT: submissionId, ...(deadline === null ? {} : { DEADLINE: String(deadline) }) },
        needs: { nodes: 1, gpusPerNode: 1, cpusPerNode: 1 },
        profileText: "{}\n",
        cwd: jobDir,
        entrypoint: `exec launch ${jobDir}`,
        attemptJson: { schema: 1, submission_id: submissionId, attempt, argv: ["true"] },
      };
      return Promise.resolve(command);
    },
  };
}

/** Text of a file in the newest attempt's directory; empty when it is not there. */
export function readJobFile(world: SchedulerWorld, submissionId: string, path: string): string {
  try {
    return readFileSync(join(world.root, "users/alice/jobs", submissionId, path), "utf8");
  } catch {
    return "";
  }
}
