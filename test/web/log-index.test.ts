/** A log read in pieces, in any order and while it grows, is the same log. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { LogIndex, PART_BYTES, rangeOf } from "../../web/src/log/log-index.ts";

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

function read(index: LogIndex, log: Uint8Array, part: number): void {
  const { offset, limit } = rangeOf(part);
  index.fill(part, log.subarray(offset, offset + limit));
}

function textOf(index: LogIndex): readonly (string | null)[] {
  return Array.from({ length: index.lines }, (_, n) => index.line(n).text);
}

/** Lines of lengths that end just before, at and behind the border of a part. */
function borderLog(seed: number): string {
  const lines = ["first"];
  for (let size = 0; size < PART_BYTES * 2.5; size += lines.at(-1)?.length ?? 0)
    lines.push(`${lines.length} ${"é".repeat((seed * lines.length * 37) % 4_000)}`);
  return `${lines.join("\n")}\n`;
}

test("parts read in any order give the lines as they are, with their numbers and offsets", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1_000 }), fc.shuffledSubarray([0, 1, 2, 3, 4, 5, 6, 7], { minLength: 8 }), (seed, order) => {
      const log = bytesOf(borderLog(seed));
      const index = new LogIndex();
      index.grow(log.length);
      for (const part of order) if (part < index.parts) read(index, log, part);
      const lines = borderLog(seed).split("\n").slice(0, -1);
      expect(textOf(index)).toEqual(lines);
      expect(index.isExact(index.parts)).toBe(true);
      const at = Math.floor(lines.length / 2);
      const { offset } = index.line(at);
      expect(index.lineAt(offset)).toBe(at);
      expect(new TextDecoder().decode(log.subarray(offset, offset + bytesOf(lines[at] ?? "").length))).toBe(lines[at]);
    }),
    { numRuns: 8 },
  );
});

test("what is appended in any pieces, cut inside lines and characters, is the same log", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 1_000 }),
      fc.array(fc.integer({ min: 1, max: 90_000 }), { minLength: 4, maxLength: 20 }),
      (seed, cuts) => {
        const log = bytesOf(borderLog(seed));
        const index = new LogIndex();
        let at = 0;
        for (let n = 0; at < log.length; n += 1) {
          const piece = log.subarray(at, at + (cuts[n % cuts.length] ?? 1));
          index.append(at, piece);
          at += piece.length;
        }
        expect(index.size).toBe(log.length);
        expect(textOf(index)).toEqual(borderLog(seed).split("\n").slice(0, -1));
      },
    ),
    { numRuns: 8 },
  );
});

test("a piece that was seen already changes nothing, and one after a gap only tells the size", () => {
  const index = new LogIndex();
  index.append(0, bytesOf("a\nb\n"));
  index.append(0, bytesOf("a\nb\n"));
  expect(textOf(index)).toEqual(["a", "b"]);
  index.append(100, bytesOf("z\n"));
  expect(index.size).toBe(102);
  expect(index.isRead(0)).toBe(false);
});

test("the last line is there before its end is", () => {
  const index = new LogIndex();
  index.append(0, bytesOf("step:1\nstep"));
  expect(textOf(index)).toEqual(["step:1", "step"]);
  index.append(11, bytesOf(":2\n"));
  expect(textOf(index)).toEqual(["step:1", "step:2"]);
});

test("a line longer than a part belongs to the part where it begins, and to no other", () => {
  const log = bytesOf(`a\n${"x".repeat(PART_BYTES * 2)}\nb\n`);
  const index = new LogIndex();
  index.grow(log.length);
  for (const part of [2, 1, 0]) read(index, log, part);
  expect(index.lines).toBe(3);
  expect([index.line(0).text, index.line(2).text]).toEqual(["a", "b"]);
});

test("of a long log few parts are kept, and the number of lines stays", () => {
  const log = bytesOf("0123456789abcde\n".repeat(PART_BYTES / 2));
  const index = new LogIndex();
  index.grow(log.length);
  for (let part = 0; part < index.parts; part += 1) read(index, log, part);
  const kept = Array.from({ length: index.parts }, (_, part) => index.isRead(part)).filter(Boolean);
  expect(kept.length).toBeLessThanOrEqual(25);
  expect(index.lines).toBe(PART_BYTES / 2);
});
