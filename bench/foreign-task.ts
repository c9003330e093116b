/**
 * `node scripts/bootstrap.mjs bench/foreign-task.ts [--by-its-end]`: can a user tell another's task from a missing one by the time of the answer? Asks a real server, over one
 * connection, for both and for a second missing one, in random order. Judge by P(slower): 0.5 is no difference, and what the two missing ones give is noise.
 */
import { randomInt } from "node:crypto";
import { Client } from "undici";
import { makeFakePool } from "../test/support/fake-pool.ts";
import { api, endServerProcesses, startServerProcess } from "../test/support/server-process.ts";

const CALLS = 2000;
const WARM_UP = 500;
const UNLIMITED = { VERLPOOL_LIMITS_REQUESTS_PER_SECOND: "10000", VERLPOOL_LIMITS_BURST: "100000" };

const pool = makeFakePool();
try {
  await measure();
} finally {
  await endServerProcesses();
  pool.remove();
}

async function measure(): Promise<void> {
  const server = await startServerProcess({ root: pool.root, rayAddress: null, env: { ...UNLIMITED, VERLPOOL_SERVER_LOG_LEVEL: "warn" } });
  for (const user of ["alice", "bob"]) await api(server, "POST", "/api/v2/users", { user_id: user });
  const { body } = await api(server, "POST", "/api/v2/users/bob/tokens", { name: "bench" });
  const answer = await api(server, "POST", "/api/v2/tasks?user=alice", `${pool.spec()}#${"x".repeat(15_000)}\n`);
  const foreign = String(answer.body["task_id"]);
  const without = (suffix: string): string => foreign.slice(0, -suffix.length) + suffix;
  // The last eight characters alone, which are looked for among the ends of ids, or whole ids.
  const asked = (id: string): string => (process.argv.includes("--by-its-end") ? id.slice(-8) : id);
  const kinds = { foreign: asked(foreign), missing: asked(without("00000000")), "missing too": asked(without("11111111")) };
  const client = new Client(server.url);
  const times = new Map<string, number[]>(Object.keys(kinds).map((kind) => [kind, []]));
  const order = shuffled(Object.entries(kinds).flatMap((one) => Array.from({ length: CALLS + WARM_UP }, () => one)));
  for (const [kind, id] of order) {
    const start = performance.now();
    const { statusCode, body: text } = await client.request({
      method: "GET",
      path: `/api/v2/tasks/${id}`,
      headers: { authorization: `Bearer ${String(body["token"])}` },
    });
    await text.dump();
    times.get(kind)?.push(performance.now() - start);
    if (statusCode !== 404) throw new Error(`${kind}: ${statusCode}`);
  }
  await client.close();
  const kept = new Map([...times].map(([kind, all]) => [kind, all.slice(WARM_UP)]));
  for (const [kind, all] of kept)
    console.log(`${kind.padEnd(12)} median ${(quantile(all, 0.5) * 1000).toFixed(0)} µs, p90 ${(quantile(all, 0.9) * 1000).toFixed(0)} µs`);
  const [a = [], b = [], c = []] = kept.values();
  console.log(`P(foreign slower than missing) ${slower(a, b).toFixed(3)}, P(missing slower than missing) ${slower(c, b).toFixed(3)}`);
}

function quantile(values: readonly number[], q: number): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length * q)] ?? 0;
}

/** The chance that one of `a` took longer than one of `b` (Mann-Whitney's U over the number of pairs). */
function slower(a: readonly number[], b: readonly number[]): number {
  const sorted = b.toSorted((x, y) => x - y);
  const below = a.reduce((sum, value) => {
    let low = 0;
    let high = sorted.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((sorted[middle] ?? 0) < value) low = middle + 1;
      else high = middle;
    }
    return sum + low;
  }, 0);
  return below / (a.length * b.length);
}

function shuffled<T>(values: readonly T[]): readonly T[] {
  const copy = [...values];
  for (let i = copy.length - 1; i > 0; i -= 1) {
    const j = randomInt(i + 1);
    [copy[i], copy[j]] = [copy[j] as T, copy[i] as T];
  }
  return copy;
}
