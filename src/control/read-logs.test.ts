/** Logs and curves from the job directories, as callers get them. */
import { appendFileSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { makeSchedulerWorld, type SchedulerWorld, type Start } from "../../test/support/scheduler-world.ts";
import { readCurves } from "./read-curves.ts";
import { followLog, type FollowFrom, type LogDeps, type LogEvent, readAllLogs, readLog } from "./read-logs.ts";

const SHORTAGE = "Total available GPUs 0 is less than total desired GPUs 1\n";

let world: SchedulerWorld;
let deps: LogDeps;
beforeEach(async () => {
  world = await makeSchedulerWorld();
  deps = { store: world.store, files: world.files, clock: world.clock };
});
afterEach(() => world.close());

async function running(): Promise<{ readonly taskId: string; readonly start: Start }> {
  const { taskId } = await world.submit();
  await world.passUntilState(taskId, "RUNNING");
  return { taskId, start: world.lastStart() };
}

/** Two attempts: the first ended with a shortage, the second runs. */
async function second(taskId: string, start: Start): Promise<Start> {
  start.launcher.writeLog(SHORTAGE);
  start.finish({ exit_code: 1 });
  await world.passUntil(() => world.starts.length === 2, 10_000);
  await world.passUntilState(taskId, "RUNNING");
  return world.lastStart();
}

function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

describe("the log of a task", () => {
  it("is empty before it starts", async () => {
    const task = await world.submit();
    expect(await readLog(deps, task, "latest", { tail: 10 })).toMatchObject({ attempt: 0, start: 0, end: 0 });
    expect((await readAllLogs(deps, task, 10)).bytes).toHaveLength(0);
  });

  it("is read by lines from its end, or by bytes, of the latest or a named attempt", async () => {
    const { taskId, start } = await running();
    start.launcher.writeLog("one\ntwo\n");
    const next = await second(taskId, start);
    next.launcher.writeLog("three\nfour\n");
    const task = await world.task(taskId);
    const tail = await readLog(deps, task, "latest", { tail: 1 });
    expect([tail.attempt, text(tail.bytes), tail.start, tail.end]).toEqual([2, "four\n", 6, 11]);
    expect(text((await readLog(deps, task, 1, { offset: 4, limit: 3 })).bytes)).toBe("two");
    await expect(readLog(deps, task, 3, { tail: 1 })).rejects.toMatchObject({ code: "not_found" });
    const all = text((await readAllLogs(deps, task, 100)).bytes);
    expect(all).toMatch(/attempt 1 \(mvp2-.*--a01\)[^]*two[^]*attempt 2 \(mvp2-.*--a02\)[^]*four\n$/);
  });
});

describe("a log that is followed", () => {
  async function collect(
    taskId: string,
    from: FollowFrom,
    until: (events: readonly LogEvent[]) => boolean | Promise<boolean>,
  ): Promise<LogEvent[]> {
    const stop = new AbortController();
    const events: LogEvent[] = [];
    try {
      for await (const event of followLog(deps, taskId, from, 100, stop.signal)) {
        events.push(event);
        if (await until(events)) break;
        if (event.kind === "idle") setImmediate(() => world.clock.advance(500));
      }
    } finally {
      stop.abort();
    }
    return events;
  }

  const lines = (events: readonly LogEvent[]): string => events.map((event) => (event.kind === "log" ? text(event.bytes) : "")).join("");

  it("gives what is written as it comes, goes over to the next attempt, and ends with the task after every byte", async () => {
    const { taskId, start } = await running();
    start.launcher.writeLog("one\ntw");
    let step = 0;
    const events = await collect(taskId, null, async (seen) => {
      if (seen.at(-1)?.kind !== "idle") return false;
      step += 1;
      if (step === 1) {
        expect(lines(seen)).toBe("one\ntw");
        start.launcher.writeLog("o\n");
      }
      if (step === 2) (await second(taskId, start)).launcher.writeLog("three");
      if (step === 4) {
        world.lastStart().finish();
        await world.passUntilState(taskId, "SUCCEEDED");
      }
      return false;
    });
    expect(lines(events)).toBe(`one\ntwo\n${SHORTAGE}three`);
    expect(events.flatMap((event) => (event.kind === "attempt" ? [event.attempt] : []))).toEqual([1, 2]);
    expect(events.at(-1)).toEqual({ kind: "end", state: "SUCCEEDED" });
  });

  it("starts where it was left", async () => {
    const { taskId, start } = await running();
    start.launcher.writeLog("one\ntwo\n");
    start.finish();
    await world.passUntilState(taskId, "SUCCEEDED");
    const events = await collect(taskId, { attempt: 1, offset: 4 }, () => false);
    expect(events).toMatchObject([
      { kind: "log", attempt: 1, offset: 4, end: 8 },
      { kind: "end", state: "SUCCEEDED" },
    ]);
  });

  it("a progress bar without line ends is given as it comes, and no character is cut", async () => {
    const { taskId, start } = await running();
    const bar = "\r训练 10%|█";
    const bytes = new TextEncoder().encode(bar);
    start.launcher.writeLog("");
    const file = `${start.launcher.jobDir}/logs/driver.log`;
    appendFileSync(file, bytes.subarray(0, bytes.length - 1));
    let completed = false;
    const events = await collect(taskId, null, (seen) => {
      if (seen.at(-1)?.kind !== "idle") return false;
      if (completed) return true;
      completed = true;
      appendFileSync(file, bytes.subarray(bytes.length - 1));
      return false;
    });
    const parts = events.flatMap((event) => (event.kind === "log" ? [new TextDecoder("utf-8", { fatal: true }).decode(event.bytes)] : []));
    expect(parts).toEqual(["\r训练 10%|", "█"]);
  });

  it("of a task that was canceled while it waited ends at once", async () => {
    const { taskId } = await world.submit();
    await world.cancel(taskId);
    expect(await collect(taskId, null, () => false)).toEqual([{ kind: "end", state: "CANCELED" }]);
  });
});

describe("curves", () => {
  it("are the steps of each attempt; several lines of one step are one point", async () => {
    const { taskId, start } = await running();
    start.launcher.writeMetrics(
      { step: 1, data: { "train/loss": 3 } },
      { step: 1, data: { "val/loss": 4 } },
      { step: 2, data: { "train/loss": 2 } },
    );
    const next = await second(taskId, start);
    next.launcher.writeMetrics({ step: 2, data: { "train/loss": 1.5 } });
    const task = await world.task(taskId);
    expect(await readCurves(world.store, world.files, task, -1)).toEqual([
      {
        attempt: 1,
        points: [
          { step: 1, data: { "train/loss": 3, "val/loss": 4 } },
          { step: 2, data: { "train/loss": 2 } },
        ],
      },
      { attempt: 2, points: [{ step: 2, data: { "train/loss": 1.5 } }] },
    ]);
    expect((await readCurves(world.store, world.files, task, 1)).flatMap((curve) => curve.points.map((point) => point.step))).toEqual([
      2, 2,
    ]);
  });
});
