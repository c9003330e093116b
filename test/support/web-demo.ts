/** A world for the page whose tasks a test moves by hand, since no scheduler does. */
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { TaskPatch } from "../../src/control/ports.ts";
import { formatSubmissionId } from "../../src/domain/ids.ts";
import type { Placement, TaskState, Waiting } from "../../src/domain/types.ts";
import { CONNECTION_LIMITS } from "../../src/http/connection.ts";
import type { PageFiles } from "../../src/http/page-routes.ts";
import { DATABASE, httpWorld, type HttpWorld, SPEC } from "./http-world.ts";

const ROOT = join(import.meta.dirname, "../..");
/** Wide: a test clicks faster than a person. */
const REQUESTS = { perSecond: 1_000, burst: 10_000, failedLoginsPerMinute: 10_000, streams: 50 };

/** The page as it is built now. */
export function builtPage(): PageFiles {
  execFileSync(process.execPath, ["--disable-warning=ExperimentalWarning", join(ROOT, "scripts/build-web.ts"), "--if-needed"]);
  const folder = join(ROOT, "dist/web");
  const names = (readdirSync(folder, { recursive: true }) as string[]).filter((name) => statSync(join(folder, name)).isFile());
  return new Map(names.map((name) => [name, readFileSync(join(folder, name))]));
}

export type WebWorld = HttpWorld & { readonly url: string };

export async function webWorld(): Promise<WebWorld> {
  const world = await httpWorld(CONNECTION_LIMITS, REQUESTS, null, builtPage(), "file", 2);
  return Object.assign(world, { url: await world.app.listen({ host: "127.0.0.1", port: 0 }) });
}

export type Begin = {
  readonly placement?: Placement;
  readonly log?: string;
  readonly metrics?: readonly { readonly step: number; readonly data: object }[];
  readonly node?: string;
  /** verl's settings, as its command line had them. */
  readonly argv?: readonly string[];
};

/** Changes a task as the scheduler would, to `to` or where it is. */
async function change(world: HttpWorld, taskId: string, to: TaskState | null, more: object): Promise<void> {
  const at = world.clock.now();
  const epoch = await world.store.leader.lead("test", at);
  const task = await world.store.tasks.get(taskId);
  if (task === null) throw new Error(`there is no task ${taskId}`);
  const event = {
    attempt: task.attempts === 0 && to !== "SUBMITTING" ? null : 1,
    actor: "system",
    type: "state_changed",
    reason: null,
    data: {},
  } as const;
  const moves = to === null ? {} : { to, events: [event] };
  const outcome = await world.store.tasks.change({ taskId, version: task.version, epoch, at, ...moves, ...more });
  if (outcome.kind !== "applied") throw new Error(`${taskId} could not be brought to ${to}`);
}

/** A new task runs from now on. */
export async function beginTask(world: HttpWorld, taskId: string, begin: Begin = {}): Promise<void> {
  const submissionId = formatSubmissionId(taskId, 1);
  const startedAt = world.clock.now();
  await change(world, taskId, "SUBMITTING", {
    patch: { attempts: 1 },
    newAttempt: { attempt: 1, submissionId, placement: begin.placement ?? [], raySession: "session_1", resumedFrom: null },
  });
  const runs = { state: "RUNNING", startedAt, submittedAt: startedAt, node: begin.node ?? "gpu-01" } as const;
  await change(world, taskId, "RUNNING", { patch: { startedAt }, attempt: { attempt: 1, patch: runs } });
  const directory = join(world.root, "users", (await world.store.tasks.get(taskId))?.userId ?? "", "jobs", submissionId);
  for (const folder of ["logs", "config"]) mkdirSync(join(directory, folder), { recursive: true });
  if (begin.argv !== undefined) writeFileSync(join(directory, "config/argv.json"), JSON.stringify(begin.argv));
  if (begin.log !== undefined) writeFileSync(join(directory, "logs/driver.log"), begin.log);
  if (begin.metrics !== undefined)
    writeFileSync(join(directory, "logs/metrics.jsonl"), begin.metrics.map((one) => `${JSON.stringify(one)}\n`).join(""));
}

/** What a task tells of itself while its state stays. */
export async function tellTask(world: HttpWorld, taskId: string, patch: TaskPatch): Promise<void> {
  await change(world, taskId, null, { patch });
}

export async function waitTask(world: HttpWorld, taskId: string, waiting: Waiting): Promise<void> {
  await change(world, taskId, "PENDING_RESOURCES", { patch: { waiting } });
}

/** A running task ends now. */
export async function endTask(
  world: HttpWorld,
  taskId: string,
  state: "SUCCEEDED" | "FAILED" | "CANCELED",
  patch: TaskPatch = {},
): Promise<void> {
  const endedAt = world.clock.now();
  const ended = { state, endedAt, exitCode: state === "SUCCEEDED" ? 0 : 1, failure: patch.failure ?? null };
  await change(world, taskId, state, { patch: { endedAt, ...patch }, attempt: { attempt: 1, patch: ended } });
}

/** `count` ended tasks of alice's in one statement: one by one they would take minutes. */
export async function manyTasks(world: HttpWorld, alice: string, count: number): Promise<void> {
  const first = await world.submit(alice, SPEC, "?name=sweep");
  await beginTask(world, first);
  await endTask(world, first, "SUCCEEDED");
  const columns =
    "user_id, workload, state, version, priority, labels, spec_text, spec, profile, needs, attempts, held, created_at, started_at, ended_at, name";
  const database = new DatabaseSync(join(world.root, DATABASE));
  database.exec(`with recursive counter(n) as (select 1 union all select n + 1 from counter where n < ${count})
    insert into tasks (task_id, id_reversed, seq, ${columns})
    select 'mvp2-alice-grpo-20261123-080000-' || printf('%08x', n), printf('%08x', n) || '-many', (select max(seq) from tasks) + n, ${columns}
    from tasks, counter where task_id = '${first}'`);
  database.close();
}
