/** A log as its followers get it. */
import { appendFileSync, truncateSync } from "node:fs";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { makeSchedulerWorld, type SchedulerWorld, type Start } from "../../test/support/scheduler-world.ts";
import { logFiles } from "../storage/log-files.ts";
import { storageInProcess } from "../storage/storage-client.ts";
import { type FollowDeps, type FollowFrom, followLog, type LogEvent } from "./follow-log.ts";
import { sharedLooks } from "./shared-look.ts";

const SHORTAGE = "Total available GPUs 0 is less than total desired GPUs 1\n";

let world: SchedulerWorld;
let deps: FollowDeps;
beforeEach(async () => {
  world = await makeSchedulerWorld();
  const logs = logFiles(storageInProcess({ sharedRoot: world.root, allowedSymlinkTargets: [] }).call);
  deps = { store: world.store, files: world.files, logs, clock: world.clock, shared: sharedLooks(world.clock) };
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

describe("a log that is followed", () => {
  async function collect(
    taskId: string,
    from: FollowFrom,
    until: (events: readonly LogEvent[]) => boolean | Promise<boolean>,
    grep: string | null = null,
  ): Promise<LogEvent[]> {
    const stop = new AbortController();
    const events: LogEvent[] = [];
    try {
      for await (const event of followLog(deps, taskId, { from, tail: 100, since: null, grep }, stop.signal)) {
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

  it("with a pattern gives only the lines that match, each with its place, and never half of one", async () => {
    const { taskId, start } = await running();
    start.launcher.writeLog("hit 1\nmiss\nhi");
    let step = 0;
    const events = await collect(
      taskId,
      null,
      async (seen) => {
        if (seen.at(-1)?.kind !== "idle") return false;
        step += 1;
        if (step === 1) start.launcher.writeLog("t 2\nmiss\nhit 3");
        if (step === 2) {
          start.finish();
          await world.passUntilState(taskId, "SUCCEEDED");
        }
        return false;
      },
      "^hit",
    );
    const places = events.flatMap((event) => (event.kind === "log" ? [[text(event.bytes), event.offset, event.end]] : []));
    expect(places).toEqual([
      ["hit 1\n", 0, 6],
      ["hit 2\n", 11, 17],
      ["hit 3", 22, 27],
    ]);
  });

  it("that was cut short is told so and given from its beginning", async () => {
    const { taskId, start } = await running();
    start.launcher.writeLog("one\ntwo\n");
    let cut = false;
    const events = await collect(taskId, null, (seen) => {
      if (seen.at(-1)?.kind !== "idle") return false;
      if (cut) return true;
      cut = true;
      truncateSync(`${start.launcher.jobDir}/logs/driver.log`, 0);
      start.launcher.writeLog("new\n");
      return false;
    });
    expect(events.filter(({ kind }) => kind !== "idle")).toMatchObject([
      { kind: "attempt" },
      { kind: "log", offset: 0, end: 8 },
      { kind: "truncated", attempt: 1 },
      { kind: "log", offset: 0, end: 4 },
    ]);
  });

  it("is read once for all who follow it", async () => {
    const { taskId, start } = await running();
    start.launcher.writeLog("one\n");
    start.finish();
    await world.passUntilState(taskId, "SUCCEEDED");
    let reads = 0;
    const counted = {
      ...deps.files,
      readLog: (...args: Parameters<typeof deps.files.readLog>) => ((reads += 1), deps.files.readLog(...args)),
    };
    const followOne = async (): Promise<string> => {
      const events: LogEvent[] = [];
      const request = { from: { attempt: 1, offset: 0 }, tail: 0, since: null, grep: null };
      for await (const event of followLog({ ...deps, files: counted }, taskId, request, new AbortController().signal)) events.push(event);
      return lines(events);
    };
    expect(await Promise.all(Array.from({ length: 20 }, followOne))).toEqual(Array.from({ length: 20 }, () => "one\n"));
    expect(reads).toBe(2);
  });
});
