/** Metrics of recorded runs of real verl 0.9.1 (test/fixtures/real-*), read as the server reads them. */
import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { makeSchedulerWorld, type SchedulerWorld } from "../../test/support/scheduler-world.ts";
import { alertsOf } from "../domain/insight/alerts.ts";
import type { Series } from "../domain/insight/series.ts";
import type { Task, Workload } from "../domain/types.ts";
import { logFiles } from "../storage/log-files.ts";
import { storageInProcess } from "../storage/storage-client.ts";
import { type Insight, insight } from "./insight.ts";
import { insightWatch } from "./insight-watch.ts";
import { readCurves } from "./read-curves.ts";

const FIXTURES = join(import.meta.dirname, "../../test/fixtures");
const fixture = (name: string): string => readFileSync(join(FIXTURES, name), "utf8");

let world: SchedulerWorld;
let training: Insight;
let reads: number;
beforeEach(async () => {
  world = await makeSchedulerWorld();
  const logs = logFiles(storageInProcess({ sharedRoot: world.root, allowedSymlinkTargets: [] }).call);
  reads = 0;
  const files: typeof world.files = {
    ...world.files,
    readMetrics: async (...args) => {
      const range = await world.files.readMetrics(...args);
      reads += range.bytes.length;
      return range;
    },
  };
  training = insight({ store: world.store, files, logs });
});
afterEach(() => world.close());

async function running(workload: Workload = "ppo"): Promise<{ readonly task: Task; readonly dir: string }> {
  const { taskId } = await world.submit(workload);
  const task = await world.passUntilState(taskId, "RUNNING");
  const dir = join(world.lastStart().launcher.jobDir, "logs");
  mkdirSync(dir, { recursive: true });
  return { task, dir };
}

/** verl's own file, taken together step by step without any of our code. */
function ownPoints(text: string): ReadonlyMap<number, { readonly [key: string]: number }> {
  const points = new Map<number, { [key: string]: number }>();
  for (const line of text.trimEnd().split("\n")) {
    const { step, data } = JSON.parse(line) as { step: number; data: { [key: string]: number } };
    points.set(step, { ...points.get(step), ...data });
  }
  return points;
}

function pointsOf({ steps, columns }: Series): ReadonlyMap<number, { readonly [key: string]: number }> {
  const written = (at: number) =>
    [...columns].flatMap(([key, values]) => (Number.isNaN(values[at]) ? [] : [[key, values[at] ?? 0] as const]));
  return new Map(steps.map((step, at) => [step, Object.fromEntries(written(at))]));
}

describe.each([
  ["ppo", "real-ppo", 12],
  ["sft", "real-sft", 30],
] as const)("the curves of a real %s run", (workload, name, total) => {
  it("are verl's own file point by point, also when it is read while it grows, and no byte is read twice", async () => {
    const { task, dir } = await running(workload);
    const text = fixture(`${name}/metrics.jsonl`);
    for (let at = 0; at < text.length; at += 7_001) {
      appendFileSync(join(dir, "metrics.jsonl"), text.slice(at, at + 7_001));
      await training.task(task);
    }
    const { line, complete } = await training.task(task);
    expect(pointsOf(line.series)).toEqual(ownPoints(text));
    expect(complete).toBe(true);
    expect(reads).toBe(text.length);
  });

  it("are the same from the console where there is no such file, and the number of steps is known", async () => {
    const { task, dir } = await running(workload);
    writeFileSync(join(dir, "driver.log"), fixture(`${name}/console.txt`));
    const { line } = await training.task(task);
    expect(pointsOf(line.series)).toEqual(ownPoints(fixture(`${name}/metrics.jsonl`)));
    expect(line.segments.map(({ source }) => source)).toEqual(["console"]);
    const [attempt] = await world.attempts(task.taskId);
    const capped = { ...task, spec: { ...task.spec, totalTrainingSteps: workload === "sft" ? 30 : null } };
    if (attempt !== undefined) expect((await training.pace(capped, attempt)).totalSteps).toBe(total);
  });
});

it("a real run that was killed and asked back twice is one line of all its steps", async () => {
  const { task, dir } = await running("sft");
  const [first] = await world.attempts(task.taskId);
  if (first === undefined) throw new Error("the task has no attempt");
  const of = (n: number, resumedFrom: typeof first.resumedFrom) => ({
    ...first,
    attempt: n,
    submissionId: `${task.taskId}--a0${n}`,
    resumedFrom,
  });
  const from = (n: number, step: number) => ({ submissionId: `${task.taskId}--a0${n}`, step });
  const attempts = [of(1, null), of(2, from(1, 10)), of(3, from(2, 20))];
  for (const n of [1, 2, 3]) {
    const logs = join(dir, `../../${task.taskId}--a0${n}/logs`);
    mkdirSync(logs, { recursive: true });
    writeFileSync(join(logs, "metrics.jsonl"), fixture(`real-resume/a0${n}.jsonl`));
  }
  const store = { ...world.store, tasks: { ...world.store.tasks, attempts: () => Promise.resolve(attempts) } };
  const logs = logFiles(storageInProcess({ sharedRoot: world.root, allowedSymlinkTargets: [] }).call);
  const whole = insight({ store, files: world.files, logs });
  const { line } = await whole.task(task);
  expect(line.series.steps).toEqual(Array.from({ length: 60 }, (_, at) => at + 1));
  expect(line.segments.map(({ attempt, fromStep, toStep }) => [attempt, fromStep, toStep])).toEqual([
    [1, 1, 10],
    [2, 11, 20],
    [3, 21, 60],
  ]);
  const page = await readCurves(whole, task, { afterStep: 58, keys: ["val/loss"], view: "line" });
  expect(page.line?.series).toEqual({ "val/loss": [null, 0.5353900194168091] });
  expect(alertsOf("sft", line.series)).toEqual([]);
});

it("a file that was replaced by a shorter one is read anew", async () => {
  const { task, dir } = await running();
  writeFileSync(join(dir, "metrics.jsonl"), '{"step": 1, "data": {"a": 1}}\n{"step": 2, "data": {"a": 2}}\n');
  await training.task(task);
  writeFileSync(join(dir, "metrics.jsonl"), '{"step": 7, "data": {"a": 7}}\n');
  expect(pointsOf((await training.task(task)).line.series)).toEqual(new Map([[7, { a: 7 }]]));
});

describe("the watch of what runs", () => {
  const watchOf = (leads = true) =>
    insightWatch({ store: world.store, insight: training, clock: world.clock, log: world.deps.log, leads: () => leads });
  const alerts = async (taskId: string) =>
    (await world.events(taskId)).flatMap(({ type, reason }) => (type === "alert" ? [reason?.code] : []));

  it("tells an alert once, also after a restart, and knows the pace; a server that does not lead tells nothing", async () => {
    const { task, dir } = await running();
    writeFileSync(join(dir, "metrics.jsonl"), '{"step": 1, "data": {"actor/grad_norm": NaN, "timing_s/step": 3}}\n');
    await watchOf(false).once();
    expect(await alerts(task.taskId)).toEqual([]);
    const watch = watchOf();
    await watch.once();
    await watch.once();
    await watchOf().once();
    expect(await alerts(task.taskId)).toEqual(["not_finite"]);
    expect(watch.paceOf(task.taskId)).toMatchObject({ step: 1, stepSeconds: [3] });
    world.lastStart().finish();
    await world.passUntilState(task.taskId, "SUCCEEDED");
    await watch.once();
    expect(watch.paceOf(task.taskId)).toBeNull();
  });
});
