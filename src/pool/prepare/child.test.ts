import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { mustSucceed, runChild } from "./child.ts";
import { endLeftPrograms, prepareTag } from "./left-programs.ts";

let dir = "";
let logFile = "";
const env = { PATH: process.env["PATH"] ?? "" };
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "verlpool-child-"));
  logFile = join(dir, "logs", "log");
});
afterEach(() => rm(dir, { recursive: true, force: true }));

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

test("every line goes to the log and to the watcher, and the last ones to the error", async () => {
  const lines: string[] = [];
  const onLine = (line: string) => {
    lines.push(line);
    return "go_on" as const;
  };
  const end = await runChild(
    { command: "sh", args: ["-c", "echo one; echo two >&2; exit 3"], env, logFile, onLine },
    AbortSignal.timeout(20_000),
  );
  expect(end).toMatchObject({ exitCode: 3, signal: null, stopped: false });
  expect(lines.toSorted()).toEqual(["one", "two"]);
  expect(await readFile(logFile, "utf8")).toContain("two\n");
  expect(() => mustSucceed(end, "the shell", logFile, "Try again.")).toThrow(
    /the shell failed \(exit code 3\)[\s\S]*two[\s\S]*Try again\./,
  );
});

test("an abort ends the program and its children, and rejects with the reason", async () => {
  const abort = new AbortController();
  const pids: number[] = [];
  const onLine = (line: string) => {
    pids.push(Number(line));
    if (pids.length === 2) abort.abort(new Error("interrupted"));
    return "go_on" as const;
  };
  const running = runChild({ command: "sh", args: ["-c", "sleep 600 & echo $!; echo $$; wait"], env, logFile, onLine }, abort.signal);
  await expect(running).rejects.toThrow("interrupted");
  await vi.waitFor(() => expect(pids.filter((pid) => isAlive(pid))).toEqual([]), { timeout: 10_000 });
});

test("a command that does not exist is an error", async () => {
  await expect(runChild({ command: join(dir, "absent"), args: [], env, logFile }, AbortSignal.timeout(20_000))).rejects.toThrow("ENOENT");
});

test.runIf(process.platform === "linux")("programs that a killed prepare left are ended by the next one of the same root", async () => {
  const abort = new AbortController();
  const started = Promise.withResolvers<number>();
  const onLine = (line: string) => {
    started.resolve(Number(line));
    return "go_on" as const;
  };
  const tagged = { ...env, ...prepareTag(dir) };
  const orphan = runChild({ command: "sh", args: ["-c", "echo $$; exec sleep 600"], env: tagged, logFile, onLine }, abort.signal);
  await started.promise;
  expect(await endLeftPrograms(`${dir}-other`, () => performance.now(), abort.signal)).toBe(0);
  expect(await endLeftPrograms(dir, () => performance.now(), abort.signal)).toBeGreaterThan(0);
  expect(await orphan).toMatchObject({ signal: "SIGKILL" });
});
