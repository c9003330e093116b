import { crc32 } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatServerClaim, formatStop, parseClaim, parseLease, parseResult, parseStop } from "./control-files.ts";

const NONCE = "37f79fbfc0cc908f3a10f841b02eac8e";
const CLAIM = JSON.stringify({
  schema: 1,
  by: "launcher",
  why: null,
  nonce: NONCE,
  host: "w1",
  node_id: null,
  agent_incarnation: null,
  boot_id: "b",
  pid: 7,
  containment: "pidns",
  ray_session: "session_1",
  at: "2026-01-01T00:00:00.000Z",
});
const RESULT = JSON.stringify({
  schema: 1,
  submission_id: "x--a01",
  attempt: 1,
  nonce: NONCE,
  outcome: "exited",
  exit_code: null,
  signal: "SIGKILL",
  stop_why: null,
  oom_kill: true,
  started_at: "2026-01-01T00:00:00.000Z",
  ended_at: "2026-01-01T00:00:01.000Z",
  duration_ms: 1000,
  log_bytes: 1,
  metrics_bytes: 0,
  error: null,
});

function lease(counter: number, nonce = NONCE, state = "running"): Buffer {
  const record = `${nonce} ${String(counter).padStart(20, "0")} 1110982 ${state}`;
  return Buffer.from(`${`${record} ${crc32(record).toString(16).padStart(8, "0")}`.padEnd(255)}\n`);
}

describe("claim", () => {
  it("is read as the launcher wrote it", () => {
    expect(parseClaim(Buffer.from(CLAIM))).toEqual({
      by: "launcher",
      why: null,
      nonce: NONCE,
      host: "w1",
      nodeId: null,
      agentIncarnation: null,
      containment: "pidns",
      raySession: "session_1",
      at: "2026-01-01T00:00:00.000Z",
    });
  });

  it("of the server survives its own format", () => {
    const claim = { why: "start_timeout", nonce: "ab", host: "s", at: "2026-01-01T00:00:00.000Z" } as const;
    expect(parseClaim(Buffer.from(formatServerClaim(claim, 1)))).toMatchObject({ by: "server", containment: "none", ...claim });
  });

  it("of a newer schema or with a missing field is none", () => {
    const fields = JSON.parse(CLAIM) as { [key: string]: unknown };
    for (const change of [{ schema: 2 }, { by: "user" }, { why: "mood" }, { nonce: "" }, { host: 1 }, { containment: "vm" }, { at: null }])
      expect(parseClaim(Buffer.from(JSON.stringify({ ...fields, ...change })))).toBeNull();
  });
});

describe("lease", () => {
  it("gives its counter to the owner of the claim only", () => {
    expect(parseLease(lease(42), NONCE)).toBe("00000000000000000042");
    expect(parseLease(lease(42, NONCE, "stopping"), NONCE)).toBe("00000000000000000042");
    expect(parseLease(lease(42), "other")).toBeNull();
  });

  it("with any byte changed is not read, unless only blanks or line ends were", () => {
    const whole = lease(42);
    const recordLength = whole.toString().trimEnd().length;
    for (let at = 0; at < recordLength; at += 1) {
      const torn = Buffer.from(whole);
      torn[at] = (torn[at] ?? 0) ^ 1;
      expect(parseLease(torn, NONCE)).toBeNull();
    }
  });

  it("torn between two beats is not read", () => {
    const old = lease(41);
    const next = lease(7_777_777, NONCE, "stopping");
    for (let cut = 1; cut < 256; cut += 1) {
      const parsed = parseLease(Buffer.concat([next.subarray(0, cut), old.subarray(cut)]), NONCE);
      expect([null, "00000000000000000041", "00000000000007777777"]).toContain(parsed);
    }
  });
});

describe("result", () => {
  it("is valid with the nonce of the claim only", () => {
    expect(parseResult(Buffer.from(RESULT), NONCE)).toMatchObject({ outcome: "exited", exitCode: null, signal: "SIGKILL", oomKill: true });
    expect(parseResult(Buffer.from(RESULT), "other")).toBeNull();
  });

  it("with a field of another type is none", () => {
    const fields = JSON.parse(RESULT) as { [key: string]: unknown };
    for (const change of [{ schema: 2 }, { outcome: "won" }, { exit_code: "0" }, { exit_code: 0.5 }, { started_at: 1 }, { ended_at: null }])
      expect(parseResult(Buffer.from(JSON.stringify({ ...fields, ...change })), NONCE)).toBeNull();
  });
});

describe("every control file", () => {
  it("is not valid in any prefix of a valid one", () => {
    const stop = formatStop("requeue", "2026-01-01T00:00:00.000Z").trimEnd();
    expect(parseStop(Buffer.from(stop))).toBe("requeue");
    const readers: readonly [string | Buffer, (bytes: Buffer) => unknown][] = [
      [CLAIM, parseClaim],
      [stop, parseStop],
      [RESULT, (bytes) => parseResult(bytes, NONCE)],
      [lease(1), (bytes) => parseLease(bytes, NONCE)],
    ];
    for (const [whole, read] of readers) {
      const bytes = Buffer.from(whole);
      expect(read(bytes)).not.toBeNull();
      for (let length = 0; length < bytes.length; length += 1) expect(read(bytes.subarray(0, length))).toBeNull();
    }
  });

  it("never makes a reader throw", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array(),
          fc.oneof(fc.json(), fc.constantFrom("[".repeat(60_000), "\ufeff{}")).map((text) => Buffer.from(text)),
        ),
        (bytes) => {
          for (const read of [parseClaim, parseStop, (b: Uint8Array) => parseResult(b, NONCE), (b: Uint8Array) => parseLease(b, NONCE)])
            expect(read(bytes)).toBeNull();
        },
      ),
      { numRuns: 300 },
    );
  });
});
