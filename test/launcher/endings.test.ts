/** How a driver's end becomes an exit code and a result.json. */
import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { afterEach, describe, expect, it } from "vitest";
import { lookAtAttempt } from "../../src/storage/attempt-directory.ts";
import { cleanUp, launch, makeJob, processesOf, readJson, readText, until, type JobOptions } from "../support/launch.ts";

afterEach(cleanUp);

function sh(script: string, options: Omit<JobOptions, "argv"> = {}) {
  return makeJob({ argv: ["sh", "-c", script], ...options });
}

describe.runIf(process.platform === "linux")("end of a driver", () => {
  it.each([
    { script: "exit 0", code: 0, result: { outcome: "exited", exit_code: 0, signal: null } },
    { script: "exit 3", code: 3, result: { outcome: "exited", exit_code: 3, signal: null } },
    { script: "exit 143", code: 143, result: { outcome: "exited", exit_code: 143, signal: null } },
    { script: "kill -KILL $$", code: 137, result: { outcome: "exited", exit_code: null, signal: "SIGKILL" } },
    { script: "kill -SEGV $$", code: 139, result: { outcome: "exited", exit_code: null, signal: "SIGSEGV" } },
    { script: "kill -40 $$", code: 168, result: { outcome: "exited", exit_code: null, signal: "SIG40" } },
  ])("$script is told as $code", async ({ script, code, result }) => {
    const job = sh(script);
    expect(await launch(job).exited).toBe(code);
    expect(readJson(job, "result.json")).toMatchObject({
      schema: 1,
      submission_id: job.submissionId,
      attempt: 1,
      stop_why: null,
      oom_kill: false,
      error: null,
      ...result,
    });
  });

  it("a driver that is killed in the moment before it is let go is an end like any other, not a failure of the launcher", () => {
    const launcher = join(import.meta.dirname, "../../src/launcher");
    const script = `
import os, sys, threading
sys.path.insert(0, ${JSON.stringify(launcher)})
import launch
inner = object.__new__(launch.Inner)
inner.ready, inner.reason, inner.problem, inner.launched = True, None, None, False
inner.attempt, inner.containment = {"argv": ["true"]}, "pidns"
inner.notes, inner.sayings = [], []
reader, inner.go_w = os.pipe()
os.close(reader)
inner.release_driver()
print(inner.launched, inner.go_w)
`;
    expect(execFileSync("python3", ["-B", "-c", script], { encoding: "utf8" })).toBe("True None\n");
  });

  it("a result is written only after the children that the driver left are dead", async () => {
    const job = sh("(trap '' TERM; setsid sleep 1000 & sleep 1000) & exit 0", { graceS: 0.5 });
    expect(await launch(job).exited).toBe(0);
    expect(processesOf(job)).toEqual([]);
    expect(readJson(job, "result.json")).toMatchObject({ outcome: "exited", exit_code: 0 });
  });

  it("a program that is not there is not_started with its name", async () => {
    const job = makeJob({ argv: ["/no/such/python", "-c", "0"] });
    expect(await launch(job).exited).toBe(78);
    expect(readJson(job, "result.json")).toMatchObject({
      outcome: "not_started",
      exit_code: null,
      error: expect.stringContaining("/no/such/python"),
    });
  });

  it("the driver gets the environment, the tag, the directory and no input", async () => {
    const job = sh('printf "%s|%s|%s|%s|%s" "$GIVEN" "$INHERITED" "$VERLPOOL_ATTEMPT" "$PWD" "$(cat)"', {
      fields: { env: { GIVEN: "ä b", INHERITED: "over" }, cwd: "/" },
    });
    expect(await launch(job, { env: { INHERITED: "under" } }).exited).toBe(0);
    expect(readFileSync(join(job.directory, "logs/driver.log"), "utf8")).toBe(`ä b|over|${job.submissionId}|/|`);
  });

  it("every byte of the driver's output reaches driver.log and Ray, UTF-8 or not", async () => {
    const job = sh("printf 'a\\377\\000\\200b\\n'; printf 'err\\303' >&2; head -c 300000 /dev/urandom");
    const launched = launch(job);
    expect(await launched.exited).toBe(0);
    const log = readFileSync(join(job.directory, "logs/driver.log"));
    expect(log.subarray(0, 10)).toEqual(Buffer.from("a\xff\x00\x80b\nerr\xc3", "latin1"));
    expect(log.length).toBe(300_010);
    expect(launched.output().includes(log.subarray(0, 10))).toBe(true);
    expect(readJson(job, "result.json")).toMatchObject({ log_bytes: 300_010, metrics_bytes: 0 });
    expect(statSync(join(job.directory, "logs/driver.log")).mode & 0o777).toBe(0o600);
  });

  it("the lease moves, is whole, and carries the claim's nonce", async () => {
    const job = sh("sleep 1000", { beatS: 0.05 });
    const launched = launch(job);
    const seen = new Set<string>();
    await until("the lease moved three times", () => {
      const lease = readText(job, "control/lease");
      if (lease === "") return false;
      expect(lease).toHaveLength(256);
      const [, record, crc] = /^(.* running) ([0-9a-f]{8}) *\n$/.exec(lease) ?? [];
      expect(
        crc32(record ?? "")
          .toString(16)
          .padStart(8, "0"),
      ).toBe(crc);
      expect(record?.split(" ")[0]).toBe(readJson(job, "control/claim")?.["nonce"]);
      const parsed = lookAtAttempt(job.root, job.userId, job.submissionId).lease;
      if (parsed !== null) seen.add(parsed);
      return seen.size >= 3;
    });
    launched.child.kill("SIGTERM");
    expect(await launched.exited).toBe(143);
  });

  it("a data path that now leads out of the allowed directories is not started", async () => {
    const job = sh("echo ran > debug/ran");
    mkdirSync(join(job.root, "common"));
    mkdirSync(join(job.root, "secret"));
    writeFileSync(join(job.root, "secret/data"), "x");
    symlinkSync(join(job.root, "secret/data"), join(job.root, "common/train"));
    const attempt = readJson(job, "control/attempt.json");
    const paths = { check_paths: [join(job.root, "common/train")], allowed_roots: [join(job.root, "common")] };
    writeFileSync(join(job.directory, "control/attempt.json"), JSON.stringify({ ...attempt, ...paths }));
    expect(await launch(job).exited).toBe(78);
    expect(readJson(job, "result.json")).toMatchObject({ outcome: "not_started", error: expect.stringContaining("secret/data") });
    expect(readText(job, "debug/ran")).toBe("");
  });

  it("a data path that is missing on the node is not started, one that is there is", async () => {
    const missing = sh("true", { fields: { check_paths: ["/private/common/gone"], allowed_roots: ["/private/common"] } });
    expect(await launch(missing).exited).toBe(78);
    expect(readJson(missing, "result.json")).toMatchObject({ outcome: "not_started", error: expect.stringContaining("does not exist") });
    const there = sh("true", { fields: { check_paths: ["/usr/bin/env"], allowed_roots: ["/usr"] } });
    expect(await launch(there).exited).toBe(0);
  });

  it("on a disk that stays full, the driver's last words get the room that was kept for them", async () => {
    const job = sh("sleep 0.3; echo one; sleep 0.2; head -c 100000 /dev/zero | tr '\\0' x; echo; echo last; exit 1");
    const before = [
      "real, full = os.write, []",
      "def write(fd, data):",
      "    if b'x' * 9 in data: full.append(True)",
      "    if full and fd > 2 and os.path.exists(sys.argv[1] + '/control/reserve'): raise OSError(28, 'No space left on device')",
      "    return real(fd, data)",
      "os.write = write",
    ].join("\n");
    expect(await launch(job, { before }).exited).toBe(1);
    const log = readText(job, "logs/driver.log");
    expect(log.slice(0, 2_000)).toMatch(/^one\n\n\[verlpool: \d{5} bytes are missing here: No space left on device\]\nx{1000}/);
    expect(log.endsWith("x\nlast\n")).toBe(true);
    expect(readJson(job, "result.json")).toMatchObject({
      exit_code: 1,
      error: expect.stringMatching(/^\d{5} bytes of driver\.log were lost/),
    });
    expect(readdirSync(join(job.directory, "control"))).not.toContain("reserve");
  });

  it("a log that can't be written goes to Ray alone, and the result says how much was lost", async () => {
    const job = sh("sleep 0.3; echo one; sleep 0.2; echo two; sleep 0.2; echo three");
    // The second write to driver.log fails, as on a full disk; Ray's copy has fd 1.
    const before = [
      "real, count = os.write, [0]",
      "def write(fd, data):",
      "    if data == b'two\\n' and fd != 1: raise OSError(28, 'No space left on device')",
      "    return real(fd, data)",
      "os.write = write",
    ].join("\n");
    const launched = launch(job, { before });
    expect(await launched.exited).toBe(0);
    expect(readText(job, "logs/driver.log")).toBe("one\n\n[verlpool: 4 bytes are missing here: No space left on device]\nthree\n");
    expect(launched.output().toString()).toContain("two\n");
    expect(readJson(job, "result.json")).toMatchObject({
      outcome: "exited",
      exit_code: 0,
      error: expect.stringContaining("4 bytes of driver.log"),
    });
  });

  it("a driver starts where clone3 is refused, with Ray's uv hook off since it would not find its process", async () => {
    const job = sh('printf %s "$RAY_ENABLE_UV_RUN_RUNTIME_ENV"');
    const refuse =
      "import ctypes\nreal = ctypes.CDLL\ndef load(*a, **k):\n    lib = real(*a, **k)\n    lib.syscall = lambda *a: -1\n    return lib\nctypes.CDLL = load";
    const launched = launch(job, { before: refuse });
    expect(await launched.exited).toBe(0);
    const isContained = readJson(job, "control/claim")?.["containment"] !== "group";
    expect(readText(job, "logs/driver.log")).toBe(isContained ? "0" : "");
  });

  it("how long the log was is noted while they grow and at the end, in records of one length", async () => {
    const job = sh("echo one; sleep 1; echo two; sleep 1; echo three");
    expect(await launch(job).exited).toBe(0);
    const times = readText(job, "logs/times");
    expect(times.length % 58).toBe(0);
    const records = times
      .trimEnd()
      .split("\n")
      .map((line) => line.trim().split(/ +/).map(Number));
    expect(records.map(([, log]) => log)).toEqual([4, 8, 14]);
    expect(records.every(([at = 0], index) => at > 1_600_000_000_000 && at >= (records[index - 1]?.[0] ?? 0))).toBe(true);
  });

  it("the usage is told for a job directory that is not absolute", async () => {
    const job = sh("true");
    const launched = launch({ ...job, directory: "jobs/x" });
    expect(await launched.exited).toBe(2);
    expect(launched.output().toString()).toContain("usage");
  });

  it("a kernel OOM kill during the run is told", async () => {
    const job = sh("kill -KILL $$");
    // The cgroup's counter is what the kernel says; the test stands in for it.
    const before = [
      "import builtins, io",
      "real, calls = builtins.open, [0]",
      "def fake(path, *a, **k):",
      "    if path == '/proc/self/cgroup': return io.StringIO('1:cpu:/\\n4:memory:/x\\n0::/x\\n')",
      "    if str(path).startswith('/sys/fs/cgroup/memory/'): raise OSError(2, 'none')",
      "    if str(path).startswith('/sys/fs/cgroup'):",
      "        calls[0] += 1",
      "        return io.StringIO('low 0\\noom_kill %d\\n' % calls[0])",
      "    return real(path, *a, **k)",
      "builtins.open = fake",
    ].join("\n");
    expect(await launch(job, { before }).exited).toBe(137);
    expect(readJson(job, "result.json")).toMatchObject({ signal: "SIGKILL", oom_kill: true });
  });
});
