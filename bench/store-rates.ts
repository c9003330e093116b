/** How many acknowledged submissions a second the store reaches, beside the least that any program must do for them. */
import { DatabaseSync } from "node:sqlite";
import type { Store } from "../src/control/ports.ts";
import { CREATED, newTask } from "../test/support/task-samples.ts";

export type Rate = { readonly perSecond: number; readonly p50Ms: number; readonly p99Ms: number };

/** `clients` callers, each submitting its next task once the last one is durable. */
export async function measureInserts(store: Store, clients: number, total: number): Promise<Rate> {
  const delays: number[] = [];
  let next = 0;
  const client = async (): Promise<void> => {
    while (next < total) {
      const n = next;
      next += 1;
      const from = performance.now();
      await store.tasks.insertTask(sampleTask(n), CREATED, null, null, () => "");
      delays.push(performance.now() - from);
    }
  };
  const from = performance.now();
  await Promise.all(Array.from({ length: clients }, client));
  return rate(delays, performance.now() - from);
}

/** node:sqlite alone: the same two texts as rows of two bare tables, `group` submissions a commit, synced each time. */
export function measureFloor(path: string, group: number, total: number): Rate {
  const database = new DatabaseSync(path);
  for (const pragma of ["journal_mode = wal", "synchronous = full"]) database.exec(`pragma ${pragma}`);
  database.exec("create table tasks (task_id text primary key, body text); create table events (task_id text, seq integer, body text)");
  const task = database.prepare("insert into tasks values (?, ?)");
  const event = database.prepare("insert into events values (?, 1, ?)");
  const delays: number[] = [];
  const from = performance.now();
  for (let n = 0; n < total; n += group) {
    const start = performance.now();
    database.exec("begin immediate");
    for (let k = n; k < n + group; k += 1) {
      const sample = sampleTask(k);
      task.run(sample.taskId, JSON.stringify(sample));
      event.run(sample.taskId, JSON.stringify(CREATED));
    }
    database.exec("commit");
    delays.push(performance.now() - start);
  }
  const measured = rate(delays, performance.now() - from);
  database.close();
  return { ...measured, perSecond: measured.perSecond * group };
}

/** Ids as the product makes them: in the order of time for a user, random at their end. */
function sampleTask(n: number) {
  const suffix = ((n * 2_654_435_761) >>> 0).toString(16).padStart(8, "0");
  const stamp = String(n).padStart(6, "0");
  return newTask(`mvp2-user${n % 8}-ppo-20260101-${stamp}-${suffix}`, { userId: `user${n % 8}`, specText: "# spec\n".padEnd(700, "x") });
}

function rate(delays: readonly number[], elapsedMs: number): Rate {
  const sorted = [...delays].sort((a, b) => a - b);
  const at = (share: number): number => sorted[Math.floor(sorted.length * share)] ?? Number.NaN;
  return { perSecond: (delays.length * 1000) / elapsedMs, p50Ms: at(0.5), p99Ms: at(0.99) };
}
