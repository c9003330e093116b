/** Logs from the job directories, as callers get them. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { makeSchedulerWorld, type SchedulerWorld, type Start } from "../../test/support/scheduler-world.ts";
import { logFiles } from "../storage/log-files.ts";
import { storageInProcess } from "../storage/storage-client.ts";
import { type LogDeps, type LogRequest, readAllLogs, readLog } from "./read-logs.ts";

const SHORTAGE = "Total available GPUs 0 is less than total desired GPUs 1\n";

let world: SchedulerWorld;
let deps: LogDeps;
beforeEach(async () => {
  world = await makeSchedulerWorld();
  const logs = logFiles(storageInProcess({ sharedRoot: world.root, allowedSymlinkTargets: [] }).call);
  deps = { store: world.store, files: world.files, logs, clock: world.clock };
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

const request = (from: LogRequest["from"], grep: string | null = null, limit = 1_000_000): LogRequest => ({ from, limit, grep });

describe("the log of a task", () => {
  it("is empty before it starts", async () => {
    const task = await world.submit();
    expect(await readLog(deps, task, "latest", request({ tail: 10 }))).toMatchObject({ attempt: 0, start: 0, end: 0 });
    expect((await readAllLogs(deps, task, 10)).bytes).toHaveLength(0);
  });

  it("is read by lines from its end, or by bytes, of the latest or a named attempt", async () => {
    const { taskId, start } = await running();
    start.launcher.writeLog("one\ntwo\n");
    const next = await second(taskId, start);
    next.launcher.writeLog("three\nfour\n");
    const task = await world.task(taskId);
    const tail = await readLog(deps, task, "latest", request({ tail: 1 }));
    expect([tail.attempt, text(tail.bytes), tail.start, tail.end]).toEqual([2, "four\n", 6, 11]);
    expect(text((await readLog(deps, task, 1, request({ offset: 4 }, null, 3))).bytes)).toBe("two");
    await expect(readLog(deps, task, 3, request({ tail: 1 }))).rejects.toMatchObject({ code: "not_found" });
    const all = text((await readAllLogs(deps, task, 100)).bytes);
    expect(all).toMatch(/attempt 1 \(mvp2-.*--a01\)[^]*two[^]*attempt 2 \(mvp2-.*--a02\)[^]*four\n$/);
  });

  it("is filtered by a pattern: in all of it, in its last lines, or in all attempts, and says how far it has looked", async () => {
    const { taskId, start } = await running();
    start.launcher.writeLog("error one\nfine\nerror two\n");
    const next = await second(taskId, start);
    next.launcher.writeLog("fine\nERROR three");
    const task = await world.task(taskId);
    const all = await readLog(deps, task, 1, request({ offset: 0 }, "^error"));
    expect([text(all.bytes), all.end]).toEqual(["error one\nerror two\n", all.size]);
    expect(text((await readLog(deps, task, "latest", request({ offset: 0 }, "(?i)error"))).bytes)).toBe("ERROR three");
    expect(text((await readLog(deps, task, 1, request({ tail: 2 }, "error"))).bytes)).toBe("error two\n");
    expect(text((await readAllLogs(deps, task, 100, "(?i)ERROR")).bytes)).toMatch(/a01[^]*error one\nerror two\n[^]*a02[^]*ERROR three$/);
    await expect(readLog(deps, task, 1, request({ offset: 0 }, "(x"))).rejects.toMatchObject({ code: "bad_parameter" });
  });

  it("from an instant on is what was written after it, as the launcher noted; all of it where none did", async () => {
    const { taskId, start } = await running();
    start.launcher.writeLog("old\nnew\n");
    const task = await world.task(taskId);
    const since = async (at: number): Promise<string> => text((await readLog(deps, task, 1, request({ since: at }))).bytes);
    expect(await since(5_000)).toBe("old\nnew\n");
    const record = (at: number, bytes: number): string => `${String(at).padStart(15)} ${String(bytes).padStart(20)} ${"0".padStart(20)}\n`;
    writeFileSync(join(start.launcher.jobDir, "logs/times"), record(1_000, 2) + record(5_000, 4) + record(10_000, 8));
    expect(await since(1_000)).toBe("old\nnew\n");
    expect(await since(5_001)).toBe("new\n");
    expect(await since(20_000)).toBe("");
    start.finish();
    const ended = await world.passUntilState(taskId, "SUCCEEDED");
    expect(await since((ended.endedAt ?? 0) + 1)).toBe("");
  });
});
