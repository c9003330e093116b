import { closeSync, ftruncateSync, mkdtempSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readTail } from "./log-range.ts";
import { scanLog } from "./log-scan.ts";

const GIB = 1024 ** 3;
const MIB = 1024 ** 2;

let directory: string;
let fd: number;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "verlpool-scan-"));
  fd = openSync(join(directory, "log"), "w+");
});
afterEach(() => {
  closeSync(fd);
  rmSync(directory, { recursive: true });
});

/** Bytes that this process has read by system calls (proc(5), rchar). */
function bytesRead(): number {
  return Number(/^rchar: (\d+)$/m.exec(readFileSync("/proc/self/io", "utf8"))?.[1]);
}

function costOf(work: () => void): number {
  const before = bytesRead();
  work();
  return bytesRead() - before;
}

function scan(pattern: string, size: number, offset = 0, lastLine = true, maxLines = 1_000) {
  return scanLog(fd, size, { pattern, offset, maxLines, lastLine });
}

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

describe("a log of 10 GB, most of it a hole", () => {
  const size = 10 * GIB;
  beforeEach(() => {
    ftruncateSync(fd, size);
    writeSync(fd, "\nerror: last\nend\n", size - 17);
  });

  it("is read from its end without being read", () => {
    const cost = costOf(() => expect(text(readTail(fd, size, 2, MIB).bytes)).toBe("error: last\nend\n"));
    expect(cost).toBeLessThan(MIB);
  });

  it("is looked through in bounded parts, each of which says where the next begins", () => {
    for (const [pattern, most] of [
      ["error: (last|first)", 64 * MIB],
      ["error: last", 300 * MIB],
    ] as const) {
      let part = scan(pattern, size);
      expect(costOf(() => (part = scan(pattern, size)))).toBeLessThan(most);
      expect([part.bytes.length, part.end > 16 * MIB, part.end < size]).toEqual([0, true, true]);
      expect(text(scan(pattern, size, size - MIB).bytes)).toBe("error: last\n");
    }
  });
});

describe("lines that match", () => {
  it("come with their places, and an unfinished last one only when it counts", () => {
    writeSync(fd, "hit 1\nmiss\nhit 2");
    const all = scan("hit", 16);
    expect([text(all.bytes), all.marks, all.end]).toEqual(["hit 1\nhit 2", [0, 6, 11, 5], 16]);
    const whole = scan("hit", 16, 0, false);
    expect([text(whole.bytes), whole.end]).toEqual(["hit 1\n", 11]);
  });

  it("are not more than asked for, and the next part goes on behind them", () => {
    writeSync(fd, "hit\n".repeat(10));
    const first = scan("^hit$", 40, 0, true, 3);
    expect([first.marks.length, first.end]).toEqual([6, 12]);
    expect(scan("^hit$", 40, first.end).marks.length).toBe(14);
  });

  it("of any bytes and any length are given as they are", () => {
    const long = Buffer.concat([Buffer.alloc(3 * MIB, 0xff), Buffer.from("hit\n")]);
    writeSync(fd, long);
    const found = scan("hit", long.length);
    expect(found.end).toBe(long.length);
    expect(Buffer.from(found.bytes).equals(long.subarray(3 * MIB))).toBe(true);
    expect(scan("(?i)HIT", long.length).bytes.length).toBe(4);
  });
});
