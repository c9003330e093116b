/**
 * `node bench/logs.ts`: a log of 10 GB (a hole with a real end) that grows by 200 lines a second, and 100 who follow it. What it costs the server's
 * memory, and what others' calls cost beside it, by turns quiet and beside the followers: `node bench/logs.ts [TURNS [SECONDS]]`, with fewer turns
 * than six without the search through all of it. `node bench/logs.ts followers URL ID N` is those, a process of their own.
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { appendFileSync, mkdirSync, mkdtempSync, openSync, closeSync, ftruncateSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Pool } from "undici";
import { clock, ids } from "../src/main/clock.ts";
import { openStore } from "../src/store/open-store.ts";
import { ADMIN_TOKEN, api, endServerProcesses, type ServerProcess, startServerProcess } from "../test/support/server-process.ts";

const FOLLOWERS = 100;
const LOG_BYTES = 10 * 1024 ** 3;
const TURNS = 6;
const SECONDS = 10;
const WARM_UP_S = 3;
const CALLS_PER_SECOND = 40;
const LINES_PER_100_MS = 20;

const SPEC = `workload: grpo
code_path: /private/common/code/verl
model_id: /private/common/models/tiny
train_file: /private/common/datasets/d/train.parquet
val_file: /private/common/datasets/d/test.parquet
nnodes: 1
n_gpus_per_node: 1
`;

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const authorization = `Bearer ${ADMIN_TOKEN}`;

async function follow(url: string, id: string, count: number): Promise<void> {
  let bytes = 0;
  const one = async (): Promise<void> => {
    const answer = await fetch(`${url}/api/v2/tasks/${id}/logs?follow=true`, { headers: { authorization } });
    if (answer.status !== 200) throw new Error(`a follower got ${answer.status}: ${await answer.text()}`);
    for await (const part of answer.body ?? []) bytes += part.length;
  };
  for (let n = 0; n < count; n += 1) void one().catch(() => undefined);
  process.on("message", () => process.send?.({ bytes }));
  await once(process, "disconnect");
  process.exit(0);
}

/** A running task, put there as the scheduler would, and its log. */
async function prepare(root: string): Promise<{ readonly id: string; readonly log: string }> {
  for (const dir of ["code/verl/verl/version", "models/tiny", "datasets/d"]) mkdirSync(join(root, "common", dir), { recursive: true });
  writeFileSync(join(root, "common/code/verl/verl/version/version"), "0.9.1\n");
  writeFileSync(join(root, "common/models/tiny/config.json"), "{}");
  for (const name of ["train", "test"]) writeFileSync(join(root, `common/datasets/d/${name}.parquet`), "PAR1");
  const first = await startServerProcess({ root, rayAddress: null });
  await api(first, "POST", "/api/v2/users", { user_id: "bob" });
  const made = await api(first, "POST", "/api/v2/tasks?user=bob", SPEC);
  const id = String(made.body["task_id"]);
  if (made.status !== 201) throw new Error(JSON.stringify(made.body));
  await endServerProcesses();
  const store = await openStore({ url: `sqlite:${join(root, "common/db/mvp.sqlite3")}`, ids, clock });
  const submissionId = `${id}--a01`;
  const event = { attempt: 1, actor: "system", type: "state_changed", reason: null, data: {} } as const;
  for (const to of ["SUBMITTING", "RUNNING"] as const) {
    const task = await store.tasks.get(id);
    const more =
      to === "SUBMITTING"
        ? {
            patch: { attempts: 1, waiting: null },
            newAttempt: { attempt: 1, submissionId, placement: [], raySession: "s", resumedFrom: null },
          }
        : { attempt: { attempt: 1, patch: { state: "RUNNING" as const, startedAt: clock.now() } } };
    await store.tasks.change({ taskId: id, version: task?.version ?? 0, epoch: null, at: clock.now(), to, events: [event], ...more });
  }
  await store.close();
  const logs = join(root, "users/bob/jobs", submissionId, "logs");
  mkdirSync(logs, { recursive: true });
  const log = join(logs, "driver.log");
  const fd = openSync(log, "w");
  ftruncateSync(fd, LOG_BYTES);
  closeSync(fd);
  appendFileSync(log, `\n${Array.from({ length: 5_000 }, (_, at) => `(TaskRunner pid=1) line ${at} ${"x".repeat(100)}`).join("\n")}\n`);
  return { id, log };
}

function rssMb(server: ServerProcess): number {
  return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${server.child.pid ?? 0}/status`, "utf8"))?.[1]) / 1024;
}

/** Calls of another, each measured from the instant that it was due. */
async function others(pool: Pool, seconds: number): Promise<number[]> {
  const took: number[] = [];
  const began = performance.now();
  const call = async (n: number): Promise<void> => {
    const due = began + (n * 1000) / CALLS_PER_SECOND;
    await pause(Math.max(0, due - performance.now()));
    const answer = await pool.request({ method: "GET", path: "/api/v2/tasks", headers: { authorization } });
    await answer.body.dump();
    if (answer.statusCode === 200) took.push(performance.now() - due);
  };
  await Promise.all(Array.from({ length: seconds * CALLS_PER_SECOND }, (_, n) => call(n)));
  return took;
}

function quantile(values: readonly number[], share: number): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length * share)] ?? Number.NaN;
}

async function firstBytes(server: ServerProcess, query: string, id: string): Promise<number[]> {
  const took: number[] = [];
  for (let n = 0; n < 30; n += 1) {
    const began = performance.now();
    const answer = await fetch(`${server.url}/api/v2/tasks/${id}/logs?${query}`, { headers: { authorization } });
    const reader = answer.body?.getReader();
    await reader?.read();
    took.push(performance.now() - began);
    await reader?.cancel();
    await pause(50);
  }
  return took;
}

async function grepAll(server: ServerProcess, id: string, pattern: string): Promise<string> {
  const began = performance.now();
  let [offset, calls, found] = [0, 0, 0];
  for (;;) {
    const answer = await fetch(`${server.url}/api/v2/tasks/${id}/logs?grep=${encodeURIComponent(pattern)}&offset=${offset}`, {
      headers: { authorization },
    });
    found += (await answer.text()).split("\n").length - 1;
    calls += 1;
    const end = Number(answer.headers.get("x-log-end"));
    if (answer.status !== 200 || end <= offset)
      return `${((performance.now() - began) / 1000).toFixed(1)} s in ${calls} calls, ${found} lines`;
    offset = end;
  }
}

async function main(turns: number, seconds: number): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), "verlpool-logs-"));
  const { id, log } = await prepare(root);
  const limits = {
    VERLPOOL_LIMITS_STREAMS: String(FOLLOWERS),
    VERLPOOL_LIMITS_REQUESTS_PER_SECOND: "1000",
    VERLPOOL_LIMITS_BURST: "10000",
  };
  const server = await startServerProcess({ root, rayAddress: null, env: { VERLPOOL_SCHEDULER_TICK_S: "1", ...limits } });
  for (const query of ["tail=2000", "follow=true&tail=2000"]) {
    const took = await firstBytes(server, query, id);
    console.log(`first byte of ${query}: p50 ${quantile(took, 0.5).toFixed(1)} ms, most ${Math.max(...took).toFixed(1)} ms`);
  }
  const writer = setInterval(() => {
    appendFileSync(log, Array.from({ length: LINES_PER_100_MS }, (_, at) => `(TaskRunner pid=1) new ${at} ${"y".repeat(100)}\n`).join(""));
  }, 100);
  const pool = new Pool(server.url, { connections: 4 });
  await others(pool, WARM_UP_S);
  const before = rssMb(server);
  const all = { quiet: [] as number[], followed: [] as number[] };
  let most = 0;
  for (let turn = 0; turn < turns; turn += 1) {
    const quiet = await others(pool, seconds);
    const child = fork(import.meta.filename, ["followers", server.url, id, String(FOLLOWERS)]);
    const watching = setInterval(() => (most = Math.max(most, rssMb(server))), 100);
    await pause(3_000);
    const followed = await others(pool, seconds);
    clearInterval(watching);
    child.send("how much");
    const [{ bytes }] = (await once(child, "message")) as [{ bytes: number }];
    child.disconnect();
    await once(child, "exit");
    all.quiet.push(...quiet);
    all.followed.push(...followed);
    console.log(
      `turn ${turn + 1}: p99 ${quantile(quiet, 0.99).toFixed(1)} → ${quantile(followed, 0.99).toFixed(1)} ms; ${(bytes / 1e6).toFixed(0)} MB to the followers`,
    );
  }
  clearInterval(writer);
  if (turns >= TURNS)
    for (const pattern of ["line 4999", "line 4[0-9]+ x"])
      console.log(`grep ${pattern} through all of it: ${await grepAll(server, id, pattern)}`);
  const [quiet, followed] = [quantile(all.quiet, 0.99), quantile(all.followed, 0.99)];
  console.log(
    `p99 of others: ${quiet.toFixed(1)} ms quiet, ${followed.toFixed(1)} ms beside ${FOLLOWERS} followers (${(followed / quiet).toFixed(2)} times); p50 ${quantile(all.quiet, 0.5).toFixed(1)} and ${quantile(all.followed, 0.5).toFixed(1)}`,
  );
  console.log(`server: ${before.toFixed(0)} MB before, at most ${most.toFixed(0)} MB with followers (+${(most - before).toFixed(0)})`);
  await pool.close();
  await endServerProcesses();
  rmSync(root, { recursive: true, force: true });
}

const [mode, url = "", id = "", count = ""] = process.argv.slice(2);
if (mode === "followers") await follow(url, id, Number(count));
else await main(Number(mode ?? TURNS), Number(url || SECONDS));
