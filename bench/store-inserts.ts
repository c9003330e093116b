/** `npm run bench`: submissions a second of 8 clients into the store, beside bare grouped commits to the same disk. Judge by the ratio. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openTestStore } from "../test/support/databases.ts";
import { measureFloor, measureInserts, type Rate } from "./store-rates.ts";

const CLIENTS = 8;
const TASKS = 4000;
const ROUNDS = 5;

function show(rate: Rate): string {
  return `${Math.round(rate.perSecond)}/s, p50 ${rate.p50Ms.toFixed(2)} ms, p99 ${rate.p99Ms.toFixed(2)} ms`;
}

for (let round = 0; round < ROUNDS; round += 1) {
  const folder = mkdtempSync(join(tmpdir(), "verlpool-inserts-"));
  const floor = measureFloor(join(folder, "floor.sqlite3"), CLIENTS, TASKS);
  const store = await openTestStore({ url: join(folder, "mvp.sqlite3") });
  const ours = await measureInserts(store, CLIENTS, TASKS);
  await store.close();
  rmSync(folder, { recursive: true });
  console.log(`floor ${show(floor)} a commit; store ${show(ours)} a task; ratio ${(ours.perSecond / floor.perSecond).toFixed(2)}`);
}
