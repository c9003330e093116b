/** protocol.md rule 4 on the real launcher: what ends an attempt, and that nothing of it is left. */
import { chownSync, renameSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { lookAtAttempt, stopAttempt } from "../../src/storage/attempt-directory.ts";
import {
  CONTAINMENTS,
  PYTHON,
  cleanUp,
  commandOf,
  innerOf,
  launch,
  makeJob,
  processesOf,
  readJson,
  readText,
  until,
  type Job,
} from "../support/launch.ts";

/** Says that it is up; ignores TERM; leaves grandchildren in sessions of their own, one of them without a parent. */
const STUBBORN =
  "trap '' TERM; setsid sh -c \"trap '' TERM; while :; do sleep 0.2; done\" & (setsid sleep 1000 &); echo up; while :; do sleep 0.2; done";

// Tests run side by side, most of them wait.
afterAll(cleanUp);

function stubborn(uid: number, options: { readonly selfFenceS?: number; readonly graceS?: number } = {}): Job {
  return makeJob({ argv: ["sh", "-c", STUBBORN], uid, graceS: 0.5, ...options });
}

function isUp(job: Job): boolean {
  return readText(job, "logs/driver.log").includes("up") && processesOf(job).length >= 4;
}

function stop(job: Job, why: "cancel" | "deadline"): void {
  stopAttempt(job.root, job.userId, job.submissionId, why, "2026-01-01T00:00:00.000Z", "t");
  // Server and jobs share one uid by contract; the tests' server is root.
  const { uid, gid } = statSync(job.directory);
  chownSync(join(job.directory, "control/stop"), uid, gid);
}

describe.concurrent.each(CONTAINMENTS)("an attempt in containment $containment", ({ containment, wrap, uid }) => {
  it("says so in its claim, and a stop ends a tree that ignores TERM", async () => {
    const job = stubborn(uid);
    const launched = launch(job, { wrap });
    await until("the driver is up", () => isUp(job));
    expect(readJson(job, "control/claim")).toMatchObject({ by: "launcher", containment });
    stop(job, "cancel");
    expect(await launched.exited).toBe(137);
    expect(processesOf(job)).toEqual([]);
    expect(readJson(job, "result.json")).toMatchObject({ outcome: "stopped", stop_why: "cancel", signal: "SIGKILL", exit_code: null });
    expect(lookAtAttempt(job.root, job.userId, job.submissionId)).toMatchObject({ stop: "cancel", result: { outcome: "stopped" } });
  });

  it("shows its driver in /proc under the pid that the driver has of itself, as Ray and psutil expect", async () => {
    const look = "import os; print(os.getpid(), os.readlink('/proc/self'))";
    const job = makeJob({ argv: [PYTHON, "-I", "-S", "-c", look], uid });
    expect(await launch(job, { wrap }).exited).toBe(0);
    const [own, visible] = readText(job, "logs/driver.log").trim().split(" ");
    expect(own).toMatch(/^\d+$/);
    expect(visible).toBe(own);
  });

  it("leaves no process alive when its outer process is killed", async () => {
    const job = stubborn(uid);
    const launched = launch(job, { wrap });
    await until("the driver is up", () => isUp(job));
    launched.child.kill("SIGKILL");
    await until("no process of the attempt lives", () => processesOf(job).length === 0);
    expect(await launched.exited).toBe("SIGKILL");
  });

  it("leaves no process alive and tells the outcome when its inner process is killed", async () => {
    const job = stubborn(uid);
    const launched = launch(job, { wrap });
    await until("the driver is up", () => isUp(job));
    process.kill(innerOf(launched), "SIGKILL");
    expect(await launched.exited).toBe(137);
    expect(processesOf(job)).toEqual([]);
    expect(readJson(job, "result.json")).toMatchObject({
      outcome: "exited",
      signal: "SIGKILL",
      error: expect.stringContaining("inner process"),
    });
  });
});

describe.runIf(process.platform === "linux")("an attempt", { concurrent: true }, () => {
  it("that gets TERM from Ray ends its driver within the driver's own time", async () => {
    const job = makeJob({ argv: ["sh", "-c", "trap 'echo bye; exit 5' TERM; echo up; while :; do sleep 0.05; done"], graceS: 10 });
    const launched = launch(job);
    await until("the driver is up", () => readText(job, "logs/driver.log").includes("up"));
    launched.child.kill("SIGTERM");
    expect(await launched.exited).toBe(5);
    expect(readText(job, "logs/driver.log")).toMatch(/^up\n(.*\n)?bye\n$/);
    expect(readJson(job, "result.json")).toMatchObject({
      outcome: "stopped",
      stop_why: null,
      exit_code: 5,
      error: expect.stringContaining("SIGTERM"),
    });
  });

  it("that Ray's supervisor signals process by process, driver first, is stopped and not failed", async () => {
    const job = makeJob({ argv: ["sleep", "1000"], graceS: 10 });
    const launched = launch(job);
    const drivers = () => processesOf(job).filter((pid) => commandOf(pid).startsWith("sleep"));
    await until("the driver is up", () => drivers().length === 1);
    for (const driver of drivers()) process.kill(driver, "SIGTERM");
    launched.child.kill("SIGTERM");
    expect(await launched.exited).toBe(143);
    expect(readJson(job, "result.json")).toMatchObject({ outcome: "stopped", signal: "SIGTERM" });
  });

  it("that Ray ends before it has looked for its stop file still says why verlpool asked", async () => {
    const job = makeJob({ argv: ["sleep", "1000"], beatS: 60 });
    const launched = launch(job);
    await until("the driver is up", () => processesOf(job).some((pid) => commandOf(pid).startsWith("sleep")));
    writeFileSync(join(job.directory, "control/stop"), '{"schema":1,"why":"cancel"}');
    launched.child.kill("SIGTERM");
    expect(await launched.exited).toBe(143);
    expect(readJson(job, "result.json")).toMatchObject({
      outcome: "stopped",
      stop_why: "cancel",
      error: "verlpool asked for it (cancel)",
    });
  });

  it("is stopped by a stop file whose text can't be read", async () => {
    const job = makeJob({ argv: ["sleep", "1000"] });
    const launched = launch(job);
    await until("the driver is up", () => processesOf(job).some((pid) => commandOf(pid).startsWith("sleep")));
    writeFileSync(join(job.directory, "control/stop"), '{"schema":1,"why":');
    expect(await launched.exited).toBe(143);
    expect(readJson(job, "result.json")).toMatchObject({
      outcome: "stopped",
      stop_why: null,
      error: expect.stringContaining("not readable"),
    });
  });

  it("that finished before the stop was seen keeps its success", async () => {
    const job = makeJob({ argv: ["true"], beatS: 60 });
    expect(await launch(job).exited).toBe(0);
    stop(job, "cancel");
    expect(lookAtAttempt(job.root, job.userId, job.submissionId)).toMatchObject({
      stop: "cancel",
      result: { outcome: "exited", exitCode: 0 },
    });
  });

  it("fences itself when its control directory is gone, though the open lease can still be written", async () => {
    const job = stubborn(0, { selfFenceS: 1 });
    const launched = launch(job);
    await until("the driver is up", () => isUp(job));
    renameSync(join(job.directory, "control"), join(job.directory, "moved"));
    expect(await launched.exited).toBe(137);
    expect(processesOf(job)).toEqual([]);
    expect(readJson(job, "result.json")).toMatchObject({
      outcome: "self_fenced",
      error: expect.stringContaining("no beat reached storage"),
    });
  });

  it("fences itself when storage hangs for good, and exits though nothing can be written", async () => {
    const job = stubborn(0, { selfFenceS: 1 });
    const flag = join(job.root, "hang");
    // As on a hung mount: a flush that does not return, in whatever thread asks for it.
    const before = `import time\nreal = os.fsync\ndef fsync(fd):\n    while os.path.exists('${flag}'): time.sleep(0.1)\n    real(fd)\nos.fsync = fsync`;
    const launched = launch(job, { before });
    await until("the driver is up", () => isUp(job));
    renameSync(join(job.root, "launch.py"), flag);
    await until("the tree is dead", () => processesOf(job).length <= 2);
    expect(await launched.exited).toBe(137);
    expect(readJson(job, "result.json")).toBeNull();
    expect(launched.output().toString()).toContain("has not returned");
  }, 40_000);

  it("kills its tree when it was frozen for longer than self_fence_s", async () => {
    const job = stubborn(0, { selfFenceS: 1 });
    const launched = launch(job);
    await until("the driver is up", () => isUp(job));
    const inner = innerOf(launched);
    process.kill(inner, "SIGSTOP");
    const thaw = AbortSignal.timeout(2500);
    await until("the freeze is longer than the fence", () => thaw.aborted);
    process.kill(inner, "SIGCONT");
    expect(await launched.exited).toBe(137);
    expect(processesOf(job)).toEqual([]);
    expect(readJson(job, "result.json")).toMatchObject({ outcome: "self_fenced", error: expect.stringContaining("stood still") });
  });

  it("tries to write its result until the disk has room again", async () => {
    const job = makeJob({ argv: ["sh", "-c", "exit 4"] });
    const before = [
      "real, left = os.rename, [3]",
      "def rename(*a):",
      "    left[0] -= 1",
      "    if left[0] >= 0: raise OSError(28, 'No space left on device')",
      "    return real(*a)",
      "os.rename = rename",
    ].join("\n");
    expect(await launch(job, { before }).exited).toBe(4);
    expect(readJson(job, "result.json")).toMatchObject({ outcome: "exited", exit_code: 4 });
    expect(readText(job, "logs/launcher.log")).toContain("result.json could not be written: [Errno 28]");
  });

  it("gives up its result after self_fence_s of a full disk, and exits with the driver's code", async () => {
    const job = makeJob({ argv: ["sh", "-c", "exit 4"], selfFenceS: 2 });
    const before = "def rename(*a): raise OSError(28, 'No space left on device')\nos.rename = rename";
    expect(await launch(job, { before }).exited).toBe(4);
    expect(readJson(job, "result.json")).toBeNull();
    expect(readText(job, "control/lease")).toContain(" stopping ");
  });
});
