/** The language of `--grep` (docs/logs.md), read into a tree over bytes. Characters beyond ASCII are the bytes of their UTF-8. Pure. */

/** `only`: the one byte of the set, where it is one. */
export type Node =
  | { readonly kind: "bytes"; readonly set: Uint8Array; readonly only: number | null }
  | { readonly kind: "sequence" | "either"; readonly nodes: readonly Node[] }
  | { readonly kind: "repeat"; readonly node: Node; readonly least: number; readonly most: number | null }
  | { readonly kind: "start" | "end" };

export type SyntaxReading = { readonly kind: "ok"; readonly node: Node } | { readonly kind: "bad"; readonly why: string };

const MOST_REPEATS = 100;
const NEWLINE = 10;
const CLASSES: { readonly [letter: string]: string } = { d: "0-9", w: "0-9A-Z_a-z", s: "\t\v\f\r " };
const CONTROLS: { readonly [letter: string]: string } = { t: "\t", r: "\r", f: "\f", v: "\v" };

class Unreadable extends Error {}

type Reader = { readonly text: readonly string[]; at: number; readonly ignoreCase: boolean; depth: number };

/** `(?i)` at the beginning: letters of both cases. */
export function parsePattern(text: string): SyntaxReading {
  const ignoreCase = text.startsWith("(?i)");
  const reader: Reader = { text: Array.from(ignoreCase ? text.slice(4) : text), at: 0, ignoreCase, depth: 0 };
  try {
    if (reader.text.length === 0) throw new Unreadable("it is empty");
    const node = either(reader);
    if (reader.at < reader.text.length) throw new Unreadable("it has a ) without its (");
    return { kind: "ok", node };
  } catch (error) {
    if (error instanceof Unreadable) return { kind: "bad", why: error.message };
    throw error;
  }
}

function either(reader: Reader): Node {
  const nodes = [sequence(reader)];
  while (reader.text[reader.at] === "|") {
    reader.at += 1;
    nodes.push(sequence(reader));
  }
  return nodes.length === 1 && nodes[0] !== undefined ? nodes[0] : { kind: "either", nodes };
}

function sequence(reader: Reader): Node {
  const nodes: Node[] = [];
  for (let char = reader.text[reader.at]; char !== undefined && char !== "|" && char !== ")"; char = reader.text[reader.at]) {
    const atom = atomOf(reader, char);
    const repeated = repeat(reader, atom);
    if (repeated === atom && atom.kind === "sequence") nodes.push(...atom.nodes);
    else nodes.push(repeated);
  }
  const [only] = nodes;
  return nodes.length === 1 && only !== undefined ? only : { kind: "sequence", nodes };
}

function atomOf(reader: Reader, char: string): Node {
  reader.at += 1;
  switch (char) {
    case "(":
      return group(reader);
    case "[":
      return characterClass(reader);
    case ".":
      return bytesNode((byte) => byte !== NEWLINE);
    case "^":
      return { kind: "start" };
    case "$":
      return { kind: "end" };
    case "\\":
      return escape(reader);
    case "*":
    case "+":
    case "?":
      throw new Unreadable(`${char} has nothing before it to repeat; write \\${char} for the character`);
    default:
      return characterNode(reader, char);
  }
}

function group(reader: Reader): Node {
  if (reader.text[reader.at] === "?") {
    if (reader.text[reader.at + 1] !== ":") throw new Unreadable("of the groups that begin with (? only (?:…) is there");
    reader.at += 2;
  }
  reader.depth += 1;
  if (reader.depth > 50) throw new Unreadable("its groups are nested too deep");
  const node = either(reader);
  if (reader.text[reader.at] !== ")") throw new Unreadable("it has a ( without its )");
  reader.at += 1;
  reader.depth -= 1;
  return node.kind === "sequence" ? { kind: "either", nodes: [node] } : node;
}

function repeat(reader: Reader, atom: Node): Node {
  let node = atom;
  for (;;) {
    const bounds = repetition(reader);
    if (bounds === null) return node;
    // Whether it takes as much or as little as it can changes no answer here.
    if (reader.text[reader.at] === "?") reader.at += 1;
    node = { kind: "repeat", node, ...bounds };
  }
}

function repetition(reader: Reader): { readonly least: number; readonly most: number | null } | null {
  const char = reader.text[reader.at];
  if (char === "*" || char === "+" || char === "?") {
    reader.at += 1;
    return { least: char === "+" ? 1 : 0, most: char === "?" ? 1 : null };
  }
  if (char !== "{") return null;
  const match = /^\{(\d{1,3})(,(\d{1,3})?)?\}/.exec(reader.text.slice(reader.at, reader.at + 9).join(""));
  // A brace that is no repetition is itself, as in logs of dictionaries.
  if (match === null) return null;
  reader.at += match[0].length;
  const least = Number(match[1]);
  const most = match[2] === undefined ? least : match[3] === undefined ? null : Number(match[3]);
  if (least > MOST_REPEATS || (most ?? 0) > MOST_REPEATS) throw new Unreadable(`it repeats something more than ${MOST_REPEATS} times`);
  if (most !== null && most < least) throw new Unreadable(`${match[0]} ends before it begins`);
  return { least, most };
}

function escape(reader: Reader): Node {
  const char = reader.text[reader.at];
  reader.at += 1;
  if (char === undefined) throw new Unreadable("it ends in a \\");
  const set = CLASSES[char.toLowerCase()];
  if (set !== undefined) return classNode(set, char !== char.toLowerCase(), false);
  return characterNode(reader, escaped(char));
}

function escaped(char: string): string {
  const control = CONTROLS[char];
  if (control !== undefined) return control;
  if (/[0-9A-Za-z]/.test(char)) throw new Unreadable(`\\${char} is not there; \\d \\w \\s and their opposites are`);
  return char;
}

function characterClass(reader: Reader): Node {
  const negated = reader.text[reader.at] === "^";
  if (negated) reader.at += 1;
  let ranges = "";
  for (let first = true; ; first = false) {
    const low = reader.text[reader.at];
    if (low === undefined) throw new Unreadable("it has a [ without its ]");
    reader.at += 1;
    if (low === "]" && !first) break;
    const wide = low === "\\" ? CLASSES[reader.text[reader.at] ?? ""] : undefined;
    if (wide !== undefined) {
      reader.at += 1;
      ranges += wide;
      continue;
    }
    const from = classMember(reader, low);
    if (reader.text[reader.at] === "-" && reader.text[reader.at + 1] !== "]" && reader.text[reader.at + 1] !== undefined) {
      reader.at += 1;
      const high = reader.text[reader.at] ?? "";
      reader.at += 1;
      const to = classMember(reader, high);
      if (to < from) throw new Unreadable(`${from}-${to} ends before it begins`);
      ranges += `${from}-${to}`;
    } else ranges += `${from}-${from}`;
  }
  return classNode(ranges, negated, reader.ignoreCase);
}

function classMember(reader: Reader, char: string): string {
  let member = char;
  if (char === "\\") {
    member = escaped(reader.text[reader.at] ?? "");
    reader.at += 1;
  }
  if (member === "" || member > "\x7f") throw new Unreadable("a [class] may hold ASCII characters only; write (é|ü)");
  return member;
}

/** `ranges`: single characters and `a-z`, as CLASSES writes them; a `-` in the middle of three is a range. */
function classNode(ranges: string, negated: boolean, ignoreCase: boolean): Node {
  const set = new Uint8Array(256);
  for (let at = 0; at < ranges.length;) {
    const from = ranges.charCodeAt(at);
    const isRange = ranges[at + 1] === "-" && at + 2 < ranges.length;
    const to = isRange ? ranges.charCodeAt(at + 2) : from;
    for (let byte = from; byte <= to; byte += 1) {
      set[byte] = 1;
      if (ignoreCase) for (const other of bothCases(byte)) set[other] = 1;
    }
    at += isRange ? 3 : 1;
  }
  return bytesNode((byte) => (set[byte] === 1) !== negated && byte !== NEWLINE);
}

function characterNode(reader: Reader, char: string): Node {
  const nodes = [...utf8(char)].map((byte) => {
    const cases = reader.ignoreCase ? bothCases(byte) : [byte];
    return bytesNode((one) => cases.includes(one));
  });
  const [only] = nodes;
  // In a group of its own, so that what repeats it repeats all of its bytes.
  return nodes.length === 1 && only !== undefined ? only : { kind: "either", nodes: [{ kind: "sequence", nodes }] };
}

function bothCases(byte: number): readonly number[] {
  const isLetter = (byte >= 65 && byte <= 90) || (byte >= 97 && byte <= 122);
  return isLetter ? [byte, byte ^ 32] : [byte];
}

function bytesNode(holds: (byte: number) => boolean): Node {
  const set = Uint8Array.from({ length: 256 }, (_, byte) => (holds(byte) ? 1 : 0));
  const count = set.reduce((sum, one) => sum + one, 0);
  return { kind: "bytes", set, only: count === 1 ? set.indexOf(1) : null };
}

/** RFC 3629. */
function utf8(char: string): readonly number[] {
  const code = char.codePointAt(0) ?? 0;
  if (code < 0x80) return [code];
  if (code < 0x800) return [0xc0 | (code >> 6), 0x80 | (code & 63)];
  if (code < 0x10000) return [0xe0 | (code >> 12), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63)];
  return [0xf0 | (code >> 18), 0x80 | ((code >> 12) & 63), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63)];
}
