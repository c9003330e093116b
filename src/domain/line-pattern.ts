/**
 * What `--grep` looks for in a log: text, or a regular expression without references and look-around, which is matched in time linear in the log
 * whatever it is (Thompson's construction, run as a lazy automaton over bytes). Bytes, because a log may be no UTF-8. Pure.
 */
import { type Node, parsePattern } from "./pattern-syntax.ts";

export const MAX_PATTERN_CHARS = 200;
/** Instructions: `(a{100}){100}` is refused, not built. */
const MAX_PROGRAM = 1_000;
/** States that are kept; a pattern that makes more has them thrown away and made again. */
const MAX_STATES = 256;
const NEWLINE = 10;

export type LinePattern = {
  /** The bytes to look for, where the pattern is text alone: then a plain search does. */
  readonly literal: Uint8Array | null;
  /** Whether the line in `bytes` from `start` to `end` (without its line end) holds a match; adds to `work` what it cost, about a unit a byte. */
  readonly test: (bytes: Uint8Array, start: number, end: number, work: { units: number }) => boolean;
};

export type PatternReading = { readonly kind: "ok"; readonly pattern: LinePattern } | { readonly kind: "bad"; readonly why: string };

/** `bad` says what about the pattern can't be, for the one who wrote it. */
export function linePattern(text: string): PatternReading {
  if (text.length > MAX_PATTERN_CHARS) return { kind: "bad", why: `it is longer than ${MAX_PATTERN_CHARS} characters` };
  const parsed = parsePattern(text);
  if (parsed.kind === "bad") return parsed;
  const program = compile(parsed.node);
  if (program === null) return { kind: "bad", why: "its repetitions make it too large" };
  return { kind: "ok", pattern: { literal: literalOf(parsed.node), test: automaton(program) } };
}

function literalOf(node: Node): Uint8Array | null {
  const nodes = node.kind === "sequence" ? node.nodes : [node];
  const bytes = nodes.map((one) => (one.kind === "bytes" && one.only !== null ? one.only : -1));
  return bytes.length > 0 && !bytes.includes(-1) ? Uint8Array.from(bytes) : null;
}

type Instruction =
  | { readonly op: "byte"; readonly set: Uint8Array; next: number }
  | { readonly op: "split"; first: number; second: number }
  | { readonly op: "start" | "end"; next: number }
  | { readonly op: "match" };

type Program = { readonly code: readonly Instruction[]; readonly start: number };

/** From the end to the beginning, so that each part knows what follows it. Null when it gets too large. */
function compile(root: Node): Program | null {
  const code: Instruction[] = [{ op: "match" }];
  const add = (instruction: Instruction): number => code.push(instruction) - 1;
  const fits = (): boolean => code.length <= MAX_PROGRAM;
  const emit = (node: Node, next: number): number => {
    if (!fits()) return next;
    switch (node.kind) {
      case "bytes":
        return add({ op: "byte", set: node.set, next });
      case "start":
      case "end":
        return add({ op: node.kind, next });
      case "sequence":
        return node.nodes.reduceRight((after, one) => emit(one, after), next);
      case "either":
        return node.nodes.map((one) => emit(one, next)).reduceRight((second, first) => add({ op: "split", first, second }));
      case "repeat": {
        let after = next;
        if (node.most === null) {
          const loop = { op: "split" as const, first: next, second: next };
          const at = add(loop);
          loop.first = emit(node.node, at);
          after = at;
        } else {
          for (let i = node.least; i < node.most && fits(); i += 1)
            after = add({ op: "split", first: emit(node.node, after), second: next });
        }
        for (let i = 0; i < node.least && fits(); i += 1) after = emit(node.node, after);
        return after;
      }
    }
  };
  const start = emit(root, 0);
  return fits() ? { code, start } : null;
}

type State = {
  readonly threads: readonly number[];
  readonly matches: boolean;
  /** It is a match if the line ends here. */
  readonly matchesAtEnd: boolean;
  readonly next: (State | undefined)[];
};

function automaton({ code, start }: Program): LinePattern["test"] {
  const states = new Map<string, State>();
  const marks = new Uint32Array(code.length);
  let round = 0;
  const closure = (from: readonly number[], atStart: boolean, atEnd: boolean): number[] => {
    round += 1;
    const out: number[] = [];
    const stack = from.toReversed();
    for (let at = stack.pop(); at !== undefined; at = stack.pop()) {
      if (marks[at] === round) continue;
      marks[at] = round;
      const one = code[at];
      if (one === undefined) continue;
      if (one.op === "split") stack.push(one.second, one.first);
      else if (one.op === "start") {
        if (atStart) stack.push(one.next);
      } else if (one.op === "end") {
        if (atEnd) stack.push(one.next);
        else out.push(at);
      } else out.push(at);
    }
    return out;
  };
  const isMatch = (threads: readonly number[]): boolean => threads.some((at) => code[at]?.op === "match");
  const stateOf = (threads: readonly number[]): State => {
    const key = threads.toSorted((a, b) => a - b).join(" ");
    const known = states.get(key);
    if (known !== undefined) return known;
    if (states.size >= MAX_STATES) states.clear();
    const made = { threads, matches: isMatch(threads), matchesAtEnd: isMatch(closure(threads, false, true)), next: [] };
    states.set(key, made);
    return made;
  };
  // `^` and `$` of an empty line hold at once.
  const first = (atEnd: boolean): State => stateOf(closure([start], true, atEnd));
  const step = (state: State, byte: number): State => {
    const moved = state.threads.flatMap((at) => {
      const one = code[at];
      return one?.op === "byte" && one.set[byte] === 1 ? [one.next] : [];
    });
    return stateOf(closure([...moved, start], false, false));
  };
  return (bytes, from, to, work) => {
    let state = first(from === to);
    work.units += to - from + 1;
    for (let at = from; at < to && !state.matches; at += 1) {
      const byte = bytes[at] ?? NEWLINE;
      let next = state.next[byte];
      if (next === undefined) {
        next = step(state, byte);
        state.next[byte] = next;
        work.units += code.length;
      }
      state = next;
    }
    return state.matches || state.matchesAtEnd;
  };
}
