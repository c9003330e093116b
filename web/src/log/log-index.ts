/**
 * A log of any length as parts of a fixed number of bytes, each read when it is looked at. Where a part was not read, its number of lines is guessed
 * from those that were, so that the scroll bar is right from the start and exact where one has been.
 */

export const PART_BYTES = 256 * 1024;
/** A line that begins in one part may end in the next. */
export const OVERLAP_BYTES = 64 * 1024;
/** Parts whose text is kept. */
const KEPT = 24;
/** Before anything was read. */
const FIRST_GUESS = 100;

const LINE_FEED = 10;

type Part = {
  /** Offsets of the beginnings of its lines. */
  readonly starts: readonly number[];
  readonly lines: readonly string[];
};

export type Line = {
  /** From 0; a guess where `isExact` is false. */
  readonly number: number;
  readonly isExact: boolean;
  readonly offset: number;
  /** Null = not read yet. */
  readonly text: string | null;
};

/** Bytes to ask for to fill one part: one byte before it tells whether a line begins with it. */
export function rangeOf(part: number): { readonly offset: number; readonly limit: number } {
  const start = part * PART_BYTES;
  const before = part === 0 ? 0 : 1;
  return { offset: start - before, limit: before + PART_BYTES + OVERLAP_BYTES };
}

export class LogIndex {
  #size = 0;
  /** Lines of each part: ≥ 0 as counted, -1 = not known. */
  #counts: number[] = [];
  #parts = new Map<number, Part>();
  /** Bytes of a last line that has no end yet, where it is known. */
  #open: { readonly offset: number; readonly bytes: Uint8Array } | null = null;
  #guess = FIRST_GUESS;
  #firsts: number[] | null = null;

  get size(): number {
    return this.#size;
  }

  get parts(): number {
    return this.#counts.length;
  }

  /** All lines, guessed where need be. */
  get lines(): number {
    return Math.round(this.firstLine(this.#counts.length));
  }

  /** The log has grown to this, by what others say; nothing is known of the new bytes. */
  grow(size: number): void {
    if (size <= this.#size) return;
    this.#size = size;
    const last = this.#counts.length - 1;
    // What was counted of the last part was only its beginning.
    if (last >= 0 && this.#parts.has(last)) this.#parts.delete(last);
    if (last >= 0) this.#counts[last] = -1;
    this.#makeRoom();
    this.#open = null;
  }

  isRead(part: number): boolean {
    return this.#parts.has(part);
  }

  /** `bytes` are those of `rangeOf(part)`. */
  fill(part: number, bytes: Uint8Array): void {
    const from = rangeOf(part).offset;
    this.#size = Math.max(this.#size, from + bytes.length);
    this.#makeRoom();
    const end = (part + 1) * PART_BYTES;
    const starts: number[] = [];
    const lines: string[] = [];
    let at = part === 0 || bytes.length === 0 ? 0 : bytes.indexOf(LINE_FEED) + 1;
    // No line begins in a part that is the middle of one long line.
    if (part > 0 && at === 0) at = bytes.length;
    while (at < bytes.length && from + at < end) {
      const feed = bytes.indexOf(LINE_FEED, at);
      const isOpen = feed === -1;
      const stop = isOpen ? bytes.length : feed;
      starts.push(from + at);
      lines.push(decode(bytes.subarray(at, stop)));
      if (isOpen && from + bytes.length >= this.#size) this.#open = { offset: from + at, bytes: bytes.slice(at) };
      at = stop + 1;
    }
    if (from + bytes.length >= this.#size && bytes.at(-1) === LINE_FEED) this.#open = { offset: this.#size, bytes: new Uint8Array() };
    this.#set(part, { starts, lines });
    this.#forget(part);
  }

  /** Bytes that were just written at the end. Where what stands before them was not read, only the size is known. */
  append(offset: number, bytes: Uint8Array): void {
    if (offset + bytes.length <= this.#size) return;
    const open = this.#open ?? (this.#size === 0 ? { offset: 0, bytes: new Uint8Array() } : null);
    if (offset !== this.#size || open === null || !this.#isOpenRead(open.offset)) {
      this.grow(offset + bytes.length);
      return;
    }
    const all = joined(open.bytes, bytes);
    this.#size = offset + bytes.length;
    const before = this.#counts.length;
    this.#makeRoom();
    // Nothing of these is unknown: a line that begins in one of them is among what was just written.
    this.#counts.fill(0, before);
    if (open.bytes.length > 0) this.#dropLine(open.offset);
    let at = 0;
    const added = new Map<number, { starts: number[]; lines: string[] }>();
    while (at < all.length) {
      const feed = all.indexOf(LINE_FEED, at);
      const stop = feed === -1 ? all.length : feed;
      const start = open.offset + at;
      const part = Math.floor(start / PART_BYTES);
      const list = added.get(part) ?? { starts: [], lines: [] };
      list.starts.push(start);
      list.lines.push(decode(all.subarray(at, stop)));
      added.set(part, list);
      at = stop + 1;
    }
    const ended = all.at(-1) === LINE_FEED;
    const lastFeed = all.lastIndexOf(LINE_FEED);
    this.#open = ended
      ? { offset: this.#size, bytes: new Uint8Array() }
      : { offset: open.offset + lastFeed + 1, bytes: all.slice(lastFeed + 1) };
    for (const [part, list] of added) {
      const known = this.#parts.get(part) ?? { starts: [], lines: [] };
      this.#set(part, { starts: [...known.starts, ...list.starts], lines: [...known.lines, ...list.lines] });
      this.#forget(part);
    }
  }

  /** The number of the first line of a part, from 0; a guess unless every part before was counted. */
  firstLine(part: number): number {
    if (this.#firsts === null) {
      this.#firsts = [0];
      let sum = 0;
      for (const [n, count] of this.#counts.entries()) {
        sum += count >= 0 ? count : Math.max(1, Math.round(this.#bytesOf(n) / this.#guess));
        this.#firsts.push(sum);
      }
    }
    return this.#firsts[Math.min(part, this.#counts.length)] ?? 0;
  }

  isExact(part: number): boolean {
    for (let n = 0; n < part; n += 1) if ((this.#counts[n] ?? -1) < 0) return false;
    return true;
  }

  partOfLine(line: number): number {
    this.firstLine(0);
    const firsts = this.#firsts ?? [0];
    let [low, high] = [0, Math.max(0, this.#counts.length - 1)];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((firsts[middle] ?? 0) <= line) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  line(number: number): Line {
    const part = this.partOfLine(number);
    const first = this.firstLine(part);
    const read = this.#parts.get(part);
    const text = read?.lines[number - first] ?? null;
    return { number, isExact: this.isExact(part), offset: read?.starts[number - first] ?? part * PART_BYTES, text };
  }

  /** The line that holds the byte at `offset`; null while its part was not read. */
  lineAt(offset: number): number | null {
    for (let part = Math.min(Math.floor(offset / PART_BYTES), this.#counts.length - 1); part >= 0; part -= 1) {
      const read = this.#parts.get(part);
      if (read === undefined) return null;
      const index = read.starts.findLastIndex((start) => start <= offset);
      if (index >= 0) return this.firstLine(part) + index;
    }
    return null;
  }

  #makeRoom(): void {
    const wanted = Math.ceil(this.#size / PART_BYTES);
    while (this.#counts.length < wanted) this.#counts.push(-1);
    this.#firsts = null;
  }

  #bytesOf(part: number): number {
    return Math.min(PART_BYTES, this.#size - part * PART_BYTES);
  }

  #isOpenRead(offset: number): boolean {
    return this.#size === 0 || offset % PART_BYTES === 0 || this.#parts.has(Math.floor(offset / PART_BYTES));
  }

  #dropLine(offset: number): void {
    const part = Math.floor(offset / PART_BYTES);
    const read = this.#parts.get(part);
    if (read === undefined || read.starts.at(-1) !== offset) return;
    this.#set(part, { starts: read.starts.slice(0, -1), lines: read.lines.slice(0, -1) });
  }

  #set(part: number, read: Part): void {
    this.#parts.delete(part);
    this.#parts.set(part, read);
    this.#counts[part] = read.lines.length;
    const counted = this.#counts.reduce(
      (sum, count, n) => (count >= 0 ? { bytes: sum.bytes + this.#bytesOf(n), lines: sum.lines + count } : sum),
      {
        bytes: 0,
        lines: 0,
      },
    );
    if (counted.lines > 0) this.#guess = counted.bytes / counted.lines;
    this.#firsts = null;
  }

  /** The longest unread is the first to go; the end stays, because it grows. */
  #forget(latest: number): void {
    for (const part of this.#parts.keys()) {
      if (this.#parts.size <= KEPT) return;
      if (part !== latest && part !== this.#counts.length - 1) this.#parts.delete(part);
    }
  }
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const all = new Uint8Array(a.length + b.length);
  all.set(a);
  all.set(b, a.length);
  return all;
}

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

function decode(bytes: Uint8Array): string {
  return decoder.decode(bytes);
}
