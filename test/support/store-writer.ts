/** A process of its own that submits tasks and prints each id once it is acknowledged, until it is killed: `node store-writer.ts URL CLIENTS`. */
import { writeSync } from "node:fs";
import { openStore } from "../../src/store/open-store.ts";
import { CREATED, newTask } from "./task-samples.ts";

const [url = "", clients = "1"] = process.argv.slice(2);

async function main(): Promise<void> {
  const ids = { hex: (bytes: number) => "0".repeat(bytes * 2) };
  const store = await openStore({ url, ids, clock: { monotonicMs: () => performance.now() } });
  writeSync(1, "open\n");
  // Without clients it only holds the database open, for as long as its parent lives.
  process.stdin.resume();
  let next = 0;
  const client = async (): Promise<never> => {
    for (;;) {
      next += 1;
      const taskId = `t${String(next).padStart(7, "0")}`;
      await store.tasks.insertTask(newTask(taskId), CREATED, { key: taskId, bodyHash: "h" }, null, () => taskId);
      // Synchronous, so that an id is never on its way when the kill comes and its line is not.
      writeSync(1, `${taskId}\n`);
    }
  };
  await Promise.all(Array.from({ length: Number(clients) }, client));
}

main().catch((error: unknown) => {
  writeSync(2, `${String(error)}\n`);
  process.exitCode = 1;
});
