import { type ChildProcess, spawn } from "node:child_process";
import { copyFileSync, mkdtempSync, rmSync, statSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { openTestStore } from "../../test/support/databases.ts";

const WRITER = resolve(import.meta.dirname, "../../test/support/store-writer.ts");

let folder: string;
let path: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "verlpool-durability-"));
  path = join(folder, "mvp.sqlite3");
});

afterEach(() => {
  rmSync(folder, { recursive: true });
});

/** Runs the writer until it has acknowledged `count` tasks, then kills it at once; resolves with all that it acknowledged. */
async function writeUntilKilled(clients: number, count: number): Promise<readonly string[]> {
  const writer = spawn(process.execPath, [WRITER, `sqlite:${path}`, String(clients)], { stdio: ["ignore", "pipe", "pipe"] });
  let out = "";
  let err = "";
  writer.stdout.on("data", (chunk: Buffer) => {
    out += chunk.toString();
    if (out.split("\n").length > count + 1) writer.kill("SIGKILL");
  });
  writer.stderr.on("data", (chunk: Buffer) => {
    err += chunk.toString();
  });
  await new Promise((done) => writer.once("close", done));
  if (writer.signalCode !== "SIGKILL") throw new Error(`the writer ended by itself: ${err}`);
  return out.split("\n").filter((line) => line.startsWith("t"));
}

it.each([1, 60])("kill -9 after %d acknowledgements loses none of them", async (count) => {
  const acknowledged = await writeUntilKilled(8, count);
  const store = await openTestStore({ url: path, lock: true });
  const tasks = await store.tasks.listOpen();
  const kept = new Set(tasks.map((task) => task.taskId));
  expect(acknowledged.filter((id) => !kept.has(id))).toEqual([]);
  expect((await store.tasks.countByState()).QUEUED).toBe(tasks.length);
  for (const id of kept) expect((await store.tasks.events(id, 0, 9)).rows).toHaveLength(1);
  await store.close();
});

it("a log that was cut anywhere leaves a prefix of the acknowledged tasks, each whole", async () => {
  const acknowledged = await writeUntilKilled(1, 40);
  const size = statSync(`${path}-wal`).size;
  const counts: number[] = [];
  for (let cut = 0; cut <= 16; cut += 1) {
    const copy = join(folder, `copy-${cut}.sqlite3`);
    copyFileSync(path, copy);
    copyFileSync(`${path}-wal`, `${copy}-wal`);
    truncateSync(`${copy}-wal`, Math.round((size * cut) / 16));
    const store = await openTestStore({ url: copy });
    const kept = (await store.tasks.listOpen()).map((task) => task.taskId);
    for (const id of kept) expect((await store.tasks.events(id, 0, 9)).rows).toHaveLength(1);
    await store.close();
    // The last one may have been durable before its acknowledgement was printed.
    expect(kept.slice(0, acknowledged.length)).toEqual(acknowledged.slice(0, kept.length));
    counts.push(kept.length);
  }
  expect(counts).toEqual([...counts].sort((a, b) => a - b));
  expect(counts[0]).toBe(0);
  expect(new Set(counts).size).toBeGreaterThan(5);
  expect(counts.at(-1)).toBeGreaterThanOrEqual(acknowledged.length);
});

async function waitForLine(child: ChildProcess, line: string): Promise<void> {
  await new Promise<void>((done, fail) => {
    let text = "";
    child.stdout?.on("data", (chunk: Buffer) => {
      text += chunk.toString();
      if (text.includes(line)) done();
    });
    child.once("close", () => fail(new Error(`the process ended before it said ${line}: ${text}`)));
  });
}

it("a second server is refused with the pid of the first, and let in the moment that one is killed", async () => {
  const first = spawn(process.execPath, [WRITER, path, "0"], { stdio: ["pipe", "pipe", "inherit"] });
  await waitForLine(first, "open");
  await expect(openTestStore({ url: path, lock: true })).rejects.toThrow(`pid ${first.pid} on `);
  const closed = new Promise((done) => first.once("close", done));
  first.kill("SIGKILL");
  await closed;
  const store = await openTestStore({ url: path, lock: true });
  await expect(openTestStore({ url: path, lock: true })).rejects.toThrow(`pid ${process.pid} on `);
  await expect(openTestStore({ url: path, lock: true })).rejects.toThrow(/in use/);
  await store.close();
  const again = await openTestStore({ url: path, lock: true });
  await again.close();
});
