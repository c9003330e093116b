/**
 * `npm run bench:load`: what one user's calls cost while others misbehave. bob asks at 9 a second, quiet and then beside 2 000 half-open connections
 * and alice at ten times her limit, by turns, on one real server with the limits that it has by default. Judge by the ratio of the rounds' p99.
 */
import { fork } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Pool } from "undici";
import { ADMIN_TOKEN, api, endServerProcesses, type ServerProcess, startServerProcess } from "../test/support/server-process.ts";

/** Short turns, many of them: what else the machine does meets both kinds alike. */
const ROUNDS = 12;
const SECONDS = 10;
const BOB_PER_SECOND = 9;
const ALICE_PER_SECOND = 100;
const HALF_OPEN = 2_000;
const SETTLE_MS = 2_000;
const TASKS_BEFORE = 60;

const SPEC = `workload: grpo
code_path: /private/common/code/verl
model_id: /private/common/models/tiny
train_file: /private/common/datasets/d/train.parquet
val_file: /private/common/datasets/d/test.parquet
nnodes: 1
n_gpus_per_node: 1
`;

type Sample = { readonly kind: "GET" | "POST"; readonly ms: number; readonly status: number };

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

function prepareRoot(root: string): void {
  for (const dir of ["code/verl/verl/version", "models/tiny", "datasets/d"]) mkdirSync(join(root, "common", dir), { recursive: true });
  writeFileSync(join(root, "common/code/verl/verl/version/version"), "0.9.1\n");
  writeFileSync(join(root, "common/models/tiny/config.json"), "{}");
  for (const name of ["train", "test"]) writeFileSync(join(root, `common/datasets/d/${name}.parquet`), "PAR1");
}

async function user(server: ServerProcess, userId: string): Promise<string> {
  await api(server, "POST", "/api/v2/users", { user_id: userId });
  const limits = await fetch(`${server.url}/api/v2/users/${userId}/limits`, {
    method: "PUT",
    headers: { authorization: `Bearer ${ADMIN_TOKEN}`, "content-type": "application/json" },
    body: JSON.stringify({ max_queued: 100_000 }),
  });
  if (limits.status !== 200) throw new Error(`the limits of ${userId} could not be set: ${await limits.text()}`);
  return String((await api(server, "POST", `/api/v2/users/${userId}/tokens`, { name: "load" })).body["token"]);
}

/** From the instant that each call was due, so that a call which waits for another is not measured too well. */
async function bobsRound(pool: Pool, token: string, seconds: number): Promise<Sample[]> {
  const samples: Sample[] = [];
  const calls: Promise<void>[] = [];
  const began = performance.now();
  const call = async (n: number): Promise<void> => {
    const due = began + (n * 1000) / BOB_PER_SECOND;
    await pause(Math.max(0, due - performance.now()));
    const kind = n % 5 === 0 ? "POST" : "GET";
    const headers = { authorization: `Bearer ${token}`, ...(kind === "POST" ? { "content-type": "application/yaml" } : {}) };
    const answer = await pool
      .request({ method: kind, path: "/api/v2/tasks", headers, body: kind === "POST" ? SPEC : null })
      .catch(() => null);
    await answer?.body.dump();
    samples.push({ kind, ms: performance.now() - due, status: answer?.statusCode ?? 0 });
  };
  for (let n = 0; n < seconds * BOB_PER_SECOND; n += 1) calls.push(call(n));
  await Promise.all(calls);
  return samples;
}

type Rates = { readonly p50: number; readonly p99: number; readonly failed: number };

function ratesOf(samples: readonly Sample[]): Rates {
  const sorted = samples.map(({ ms }) => ms).sort((a, b) => a - b);
  const at = (share: number): number => sorted[Math.floor(sorted.length * share)] ?? Number.NaN;
  return { p50: at(0.5), p99: at(0.99), failed: samples.filter(({ status }) => status >= 300 || status === 0).length };
}

function show(samples: readonly Sample[]): string {
  const part = (name: string, of: readonly Sample[]): string => {
    const { p50, p99 } = ratesOf(of);
    return `${name} p50 ${p50.toFixed(1)} p99 ${p99.toFixed(1)}`;
  };
  const [gets, posts] = [samples.filter(({ kind }) => kind === "GET"), samples.filter(({ kind }) => kind === "POST")];
  return `${part("all", samples)}, ${part("GET", gets)}, ${part("POST", posts)} ms; ${samples.length} calls, ${ratesOf(samples).failed} failed`;
}

function openFiles(pid: number | undefined): number {
  return readdirSync(`/proc/${pid ?? 0}/fd`).length;
}

/** User and system time of a process in seconds (proc(5): fields 14 and 15, in hundredths). */
function cpuSeconds(pid: number | undefined): number {
  const fields =
    readFileSync(`/proc/${pid ?? 0}/stat`, "utf8")
      .split(") ")[1]
      ?.split(" ") ?? [];
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

/** With the share of a core that the server used meanwhile, which a busy machine changes least. */
async function round(server: ServerProcess, name: string, work: () => Promise<Sample[]>): Promise<Sample[]> {
  const [cpu, began] = [cpuSeconds(server.child.pid), performance.now()];
  const samples = await work();
  const share = ((cpuSeconds(server.child.pid) - cpu) * 1000) / (performance.now() - began);
  console.log(`${name}: ${show(samples)}; ${(share * 100).toFixed(1)} % of a core`);
  return samples;
}

async function besideAttack(server: ServerProcess, aliceToken: string, work: () => Promise<Sample[]>): Promise<Sample[]> {
  const attack = fork(join(import.meta.dirname, "load-attack.ts"), [server.url, aliceToken, String(HALF_OPEN), String(ALICE_PER_SECOND)]);
  let last: object = {};
  attack.on("message", (message: object) => (last = message));
  await pause(SETTLE_MS);
  const samples = await work();
  console.log(`  beside it: ${JSON.stringify(last)}; open files of the server: ${openFiles(server.child.pid)}`);
  attack.disconnect();
  await once(attack, "exit");
  await pause(SETTLE_MS);
  return samples;
}

async function main(): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), "verlpool-load-"));
  prepareRoot(root);
  const server = await startServerProcess({ root, rayAddress: null, env: { VERLPOOL_SCHEDULER_TICK_S: "1" } });
  const [alice, bob] = [await user(server, "alice"), await user(server, "bob")];
  for (let n = 0; n < TASKS_BEFORE; n += 1) await api(server, "POST", "/api/v2/tasks?user=bob", SPEC);
  const pool = new Pool(server.url, { connections: 4 });
  await bobsRound(pool, bob, 5);
  const all: { readonly quiet: Sample[]; readonly loaded: Sample[] } = { quiet: [], loaded: [] };
  const ratios: number[] = [];
  for (let turn = 0; turn < ROUNDS; turn += 1) {
    const bobs = (name: string): Promise<Sample[]> => round(server, name, () => bobsRound(pool, bob, SECONDS));
    const quiet = await bobs("quiet");
    const loaded = await besideAttack(server, alice, () => bobs("loaded"));
    all.quiet.push(...quiet);
    all.loaded.push(...loaded);
    ratios.push(ratesOf(loaded).p99 / ratesOf(quiet).p99);
  }
  console.log(`all quiet:  ${show(all.quiet)}`);
  console.log(`all loaded: ${show(all.loaded)}`);
  const ratio = ratesOf(all.loaded).p99 / ratesOf(all.quiet).p99;
  const byTurn = ratios.sort((a, b) => a - b).map((one) => one.toFixed(2));
  console.log(`p99 loaded / quiet: ${ratio.toFixed(2)} over all; by turn ${byTurn.join(", ")}`);
  await pool.close();
  await endServerProcesses();
  rmSync(root, { recursive: true, force: true });
}

await main();
