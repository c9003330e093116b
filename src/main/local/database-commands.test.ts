import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { once } from "node:events";
import { spawn } from "node:child_process";
import { hostname, tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { OutputStream } from "../../cli/world.ts";
import type { Store } from "../../control/ports.ts";
import { bootId } from "../../pool/process-record.ts";
import { openStore } from "../../store/open-store.ts";
import { clock, ids } from "../clock.ts";
import { backupCommand, resetCommand, restoreCommand } from "./database-commands.ts";

const TASK = "mvp2-alice-sft-20260101-000000-0123abcd";
const A01 = `${TASK}--a01`;
let root = "";
let database = "";
let open: Store[] = [];
const said: string[] = [];
const stream: OutputStream = { isTTY: false, write: async (chunk) => void said.push(String(chunk)) };

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "verlpool-database-"));
  database = join(root, "common/db/mvp.sqlite3");
  said.length = 0;
});
afterEach(async () => {
  for (const store of open) await store.close();
  open = [];
  rmSync(root, { recursive: true });
});

async function openDatabase(): Promise<Store> {
  const store = await openStore({ url: database, ids, clock });
  open.push(store);
  return store;
}

/** An attempt of alice, as an old server left it: in the database or not, and with these files in `control` and the job directory. */
function leaveAttempt(state: string | null, files: { readonly [path: string]: object }, submissionId = A01): string {
  const job = join(root, "users/alice/jobs", submissionId);
  mkdirSync(join(job, "control"), { recursive: true });
  for (const [path, value] of Object.entries(files)) writeFileSync(join(job, path), JSON.stringify(value));
  if (state !== null) {
    const file = new DatabaseSync(database);
    file.exec("pragma foreign_keys = off");
    file
      .prepare(
        "insert into attempts (task_id, attempt, user_id, submission_id, state, quarantined, stalled, placement, created_at) values (?, 1, 'alice', ?, ?, 0, 0, '{}', 0)",
      )
      .run(TASK, submissionId, state);
    file.close();
  }
  return job;
}

const LAUNCHED = { schema: 1, by: "launcher", why: null, nonce: "n1", host: "gpu-1", containment: "pidns", at: "2026-01-01T00:00:00.000Z" };
const ENDED = { schema: 1, nonce: "n1", outcome: "exited", exit_code: 0, started_at: LAUNCHED.at, ended_at: LAUNCHED.at };
const where = { config: null, root: "" };

const reset = (cancelTasks = false): Promise<number> =>
  resetCommand({ ...where, root, cancelTasks }, {}, stream, AbortSignal.timeout(20_000));
const restore = (file: string, stopUnknown = false): Promise<number> => restoreCommand({ ...where, root, file, stopUnknown }, {}, stream);

async function backup(): Promise<string> {
  expect(await backupCommand({ ...where, root, to: null, json: false }, {}, stream)).toBe(0);
  return said.at(-1)?.trim() ?? "";
}

function claimOf(job: string): { readonly by: string; readonly why: string } {
  return JSON.parse(readFileSync(join(job, "control/claim"), "utf8")) as { readonly by: string; readonly why: string };
}

function asideFiles(): readonly string[] {
  return readdirSync(dirname(database)).filter((name) => /^mvp\.sqlite3\.\d{8}-\d{6}\.bak$/.test(name));
}

test("a backup is taken while a server writes, is for its owner alone, and restores to the same users", async () => {
  const store = await openDatabase();
  await store.users.insertUser({ userId: "alice", displayName: "Alice", state: "ACTIVE", limits: LIMITS, createdAt: 1 }, {
    at: 1,
    actor: "admin",
    action: "user.create",
    target: "alice",
    data: {},
  } as never);
  const file = await backup();
  expect(statSync(file).mode & 0o777).toBe(0o600);
  await expect(restore(file)).rejects.toThrow("is in use");
  await store.close();
  expect(await restore(file)).toBe(0);
  expect(asideFiles()).toHaveLength(1);
  const restored = await openDatabase();
  expect((await restored.users.getUser("alice"))?.displayName).toBe("Alice");
});

const LIMITS = { maxQueued: null, maxRunning: null, maxGpus: null, submitsPerMinute: null, maxStorageGib: null, maxPriority: 0 };

test("what is no database of verlpool is not restored, and what was there stays", async () => {
  await (await openDatabase()).close();
  const file = join(root, "notes.txt");
  writeFileSync(file, "not a database".repeat(1000));
  await expect(restore(file)).rejects.toThrow("can't be read as a database of verlpool");
  expect(existsSync(database)).toBe(true);
  expect(asideFiles()).toEqual([]);
});

test("attempts that a restored database does not know never start; those that run are named, or stopped when asked for", async () => {
  await (await openDatabase()).close();
  const file = await backup();
  const waiting = leaveAttempt(null, {});
  const running = leaveAttempt(null, { "control/claim": LAUNCHED }, `${TASK}--a02`);
  const ended = leaveAttempt(null, { "control/claim": LAUNCHED, "result.json": ENDED }, `${TASK}--a03`);
  expect(await restore(file)).toBe(0);
  expect(claimOf(waiting)).toMatchObject({ by: "server", why: "cancel" });
  expect(said.join("")).toContain(
    `had started and go on, managed by nobody; end them with: verlpool restore … --stop-unknown:\n  ${TASK}--a02`,
  );
  expect(existsSync(join(running, "control/stop"))).toBe(false);
  expect(readdirSync(join(ended, "control"))).toEqual(["claim"]);
});

test("attempts that the restored database knows are left to its server", async () => {
  await (await openDatabase()).close();
  const job = leaveAttempt("SUBMITTED", {});
  expect(await restore(await backup())).toBe(0);
  expect(existsSync(join(job, "control/claim"))).toBe(false);
});

test.each([
  ["may still start", {}, "waiting"],
  ["has started and has no result", { "control/claim": LAUNCHED }, "started"],
])("a reset is refused while an attempt %s", async (_, files, standing) => {
  await (await openDatabase()).close();
  leaveAttempt("RUNNING", files);
  expect(await reset()).toBe(1);
  expect(said.join("")).toContain(`${A01} (${standing})`);
  expect([existsSync(database), asideFiles()]).toEqual([true, []]);
});

test("an attempt that this machine's boot started, and of which no process is left, does not hold up a reset", async () => {
  await (await openDatabase()).close();
  const claim = { ...LAUNCHED, host: hostname(), boot_id: bootId() };
  const living = spawn("sleep", ["60"], { env: { VERLPOOL_ATTEMPT: A01, PATH: process.env["PATH"] } });
  leaveAttempt("RUNNING", { "control/claim": claim });
  try {
    expect(await reset()).toBe(1);
  } finally {
    living.kill("SIGKILL");
    await once(living, "exit");
  }
  expect(await reset()).toBe(0);
});

test("a reset is refused while a server has the database", async () => {
  await openDatabase();
  await expect(reset()).rejects.toThrow("is in use");
});

test("a reset keeps the old database, and what Ray may still have of an older one never starts", async () => {
  await (await openDatabase()).close();
  leaveAttempt("RUNNING", { "control/claim": LAUNCHED, "result.json": ENDED });
  const older = leaveAttempt(null, {}, `${TASK}--a02`);
  const survivor = leaveAttempt(null, { "control/claim": LAUNCHED }, `${TASK}--a03`);
  expect(await reset()).toBe(0);
  expect([existsSync(database), asideFiles().length]).toEqual([false, 1]);
  expect(claimOf(older).by).toBe("server");
  expect(readFileSync(join(survivor, "control/stop"), "utf8")).toContain("superseded");
  expect(await reset()).toBe(0);
});
