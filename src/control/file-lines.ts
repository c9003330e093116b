/** The lines of a part of a file, each with the place in the file after it. Bytes that are no UTF-8 shift no place. */
export function* linesOf(bytes: Uint8Array, offset: number): Generator<{ readonly text: string; readonly end: number }> {
  const decoder = new TextDecoder();
  for (let from = 0; from < bytes.length;) {
    const feed = bytes.indexOf(10, from);
    const to = feed < 0 ? bytes.length : feed + 1;
    yield { text: decoder.decode(bytes.subarray(from, to)).trimEnd(), end: offset + to };
    from = to;
  }
}
