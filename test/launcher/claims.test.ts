/** protocol.md rules 2 and 3 on the real launcher: at most one start of an attempt, ever. */
import { readdirSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { lookAtAttempt, revokeAttempt, stopAttempt } from "../../src/storage/attempt-directory.ts";
import { cleanUp, launch, makeJob, readJson, readText, type Job } from "../support/launch.ts";

const LINUX = process.platform === "linux";
const NOTHING_RAN = ["attempt.json"];

afterEach(cleanUp);

function makeCountingJob(): Job {
  // Appending one short line is atomic: each start of the driver leaves one.
  return makeJob({ argv: ["sh", "-c", "echo started >> debug/starts; sleep 0.3"] });
}

function everything(job: Job): ReadonlySet<string> {
  return new Set(readdirSync(job.directory, { recursive: true, encoding: "utf8" }));
}

function starts(job: Job): number {
  return readText(job, "debug/starts").split("\n").filter(Boolean).length;
}

function revoke(job: Job, nonce: string): "won" | "lost" {
  const claim = { why: "cancel", nonce, host: "server", at: "2026-01-01T00:00:00.000Z" } as const;
  return revokeAttempt(job.root, job.userId, job.submissionId, claim).kind;
}

describe.runIf(LINUX)("claim of an attempt", () => {
  it("eight launchers at once start the driver exactly once", async () => {
    const job = makeCountingJob();
    const launched = Array.from({ length: 8 }, () => launch(job));
    const codes = await Promise.all(launched.map(({ exited }) => exited));
    expect(codes.map(Number).sort((left, right) => left - right)).toEqual([0, 75, 75, 75, 75, 75, 75, 75]);
    expect(starts(job)).toBe(1);
    expect(readdirSync(join(job.directory, "control")).sort()).toEqual(["attempt.json", "claim", "lease"]);
    expect(lookAtAttempt(job.root, job.userId, job.submissionId)).toMatchObject({
      claim: { by: "launcher", why: null },
      result: { outcome: "exited", exitCode: 0 },
    });
  });

  it("of a launcher and a server that revokes at the same time exactly one wins", async () => {
    const winners = new Set<string>();
    for (let round = 0; round < 8; round += 1) {
      const job = makeCountingJob();
      const launched = launch(job);
      // From before the interpreter is up to long after the claim.
      await new Promise((resolve) => setTimeout(resolve, round * 12));
      const verdict = revoke(job, "5e4e4");
      const code = await launched.exited;
      winners.add(verdict);
      expect(code).toBe(verdict === "won" ? 75 : 0);
      expect(starts(job)).toBe(verdict === "won" ? 0 : 1);
    }
    expect(winners).toContain("won");
  });

  it("a late second launcher exits with 75 and changes nothing", async () => {
    const job = makeCountingJob();
    expect(await launch(job).exited).toBe(0);
    const before = everything(job);
    const result = readText(job, "result.json");
    const second = launch(job);
    expect(await second.exited).toBe(75);
    expect(second.output().toString()).toContain("nothing is run");
    expect(everything(job)).toEqual(before);
    expect(readText(job, "result.json")).toBe(result);
    expect(starts(job)).toBe(1);
  });

  it("a revoked attempt never runs, however often Ray starts it", async () => {
    const job = makeCountingJob();
    expect(revoke(job, "a1")).toBe("won");
    expect(revoke(job, "a2")).toBe("won");
    expect(await launch(job).exited).toBe(75);
    expect(await launch(job).exited).toBe(75);
    expect(starts(job)).toBe(0);
    expect(readJson(job, "control/claim")).toMatchObject({ by: "server", why: "cancel", nonce: "a1" });
    expect(readJson(job, "result.json")).toBeNull();
  });

  it("an attempt that was told to stop before its start makes no claim", async () => {
    const job = makeCountingJob();
    stopAttempt(job.root, job.userId, job.submissionId, "cancel", "2026-01-01T00:00:00.000Z", "t");
    expect(await launch(job).exited).toBe(75);
    expect(readdirSync(join(job.directory, "control")).sort()).toEqual(["attempt.json", "stop"]);
    expect(readdirSync(join(job.directory, "logs"))).toEqual([]);
  });

  it("a link that answers EEXIST though it was made is won", async () => {
    const job = makeCountingJob();
    const before = "real = os.link\ndef link(*a):\n    real(*a)\n    raise FileExistsError(17, 'EEXIST')\nos.link = link";
    expect(await launch(job, { before }).exited).toBe(0);
    expect(starts(job)).toBe(1);
  });

  it("a link that was not made is lost, whatever it answered", async () => {
    const job = makeCountingJob();
    expect(await launch(job, { before: "os.link = lambda *a: None" }).exited).toBe(75);
    expect(starts(job)).toBe(0);
    expect(readdirSync(join(job.directory, "control"))).toEqual(NOTHING_RAN);
  });

  it("a stop that arrives between the claim and the start is obeyed", async () => {
    const job = makeCountingJob();
    const stop = JSON.stringify({ schema: 1, why: "superseded", at: "x" });
    const before = [
      "real = os.link",
      "def link(source, target):",
      "    real(source, target)",
      `    open(os.path.dirname(target) + '/stop', 'w').write('${stop}')`,
      "os.link = link",
    ].join("\n");
    expect(await launch(job, { before }).exited).toBe(143);
    expect(starts(job)).toBe(0);
    expect(readJson(job, "result.json")).toMatchObject({ outcome: "stopped", stop_why: "superseded", exit_code: null, signal: null });
  });

  it("storage trouble before the claim runs nothing and claims nothing", async () => {
    const job = makeCountingJob();
    const launched = launch(job, { before: "def fsync(fd): raise OSError(5, 'Input/output error')\nos.fsync = fsync" });
    expect(await launched.exited).toBe(70);
    expect(launched.output().toString()).toContain("storage trouble before the start");
    expect(readdirSync(join(job.directory, "control"))).toEqual(NOTHING_RAN);
  });

  it("an attempt.json that can't be trusted is claimed, not started, and told", async () => {
    const argv = ["touch", "debug/started"];
    const job = makeJob({ argv });
    const whole = readText(job, "control/attempt.json");
    const broken = [
      whole.slice(0, whole.length / 2),
      "",
      "[]",
      `${whole}${" ".repeat(65_536)}`,
      { schema: 2 },
      { submission_id: "other" },
      { argv: [] },
      { argv: ["a\0b"] },
      { env: { A: 1 } },
      { beat_s: "5" },
      { grace_s: 0 },
    ];
    const cases = broken.map((content) => {
      const cut = makeJob({ argv, ...(typeof content === "string" ? {} : { fields: content }) });
      if (typeof content === "string") writeFileSync(join(cut.directory, "control/attempt.json"), content);
      return { cut, launched: launch(cut) };
    });
    for (const { cut, launched } of cases) {
      expect(await launched.exited).toBe(78);
      const error: unknown = expect.stringContaining("control/attempt.json");
      expect(readJson(cut, "result.json")).toMatchObject({ outcome: "not_started", exit_code: null, error });
      expect(readdirSync(join(cut.directory, "debug"))).toEqual([]);
    }
  });

  it("an attempt.json behind a link, or none, claims nothing", async () => {
    const job = makeCountingJob();
    const path = join(job.directory, "control/attempt.json");
    renameSync(path, join(job.root, "elsewhere"));
    expect(await launch(job).exited).toBe(70);
    symlinkSync(join(job.root, "elsewhere"), path);
    expect(await launch(job).exited).toBe(70);
    expect(readdirSync(join(job.directory, "control"))).toEqual(NOTHING_RAN);
  });
});
