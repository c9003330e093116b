/** A log as lines: where each begins, which number it has, and what stands in it once prefixes and colours are off. */

/** A piece of a log; `firstLine` is the number of its first line in the file (from 1), or null where lines have no number. */
export type LogPart = { readonly text: string; readonly firstLine: number | null };

export type Line = {
  /** Number in the file; null for a message that is no file. */
  readonly number: number | null;
  /** Without colour codes; long ones are cut in the middle. */
  readonly text: string;
  /** `text` without the prefixes of Ray, ranks, containers and loggers. */
  readonly body: string;
  /** Who wrote it, as the prefix says: `WorkerDict pid=12`; "" = the driver itself. */
  readonly source: string;
  readonly level: "error" | "warning" | "info" | "none";
};

// oxlint-disable-next-line no-control-regex -- escape sequences are what is looked for
const ESCAPES = /\x1b(?:\[[0-9;?]{0,32}[@-~]|\][^\x07\x1b]{0,200}(?:\x07|\x1b\\))/g;
const KEPT_HEAD = 12_000;
const KEPT_TAIL = 4_000;
const REPEATED = /\s*\[repeated \d+x across cluster\](?: \(Ray deduplicates logs[^\n]{0,300})?$/;

/** Who wrote it: Ray's prefix, or a rank's. */
const SOURCES: readonly RegExp[] = [
  /^\((?:[^\n]{1,160}? )?pid=[\w.]{1,40}(?:, ip=[^)\n]{1,60})?\) ?/,
  /^\((?:raylet|gcs_server|autoscaler|scheduler)[^)\n]{0,60}\) ?/,
  /^\[(?:rank|default)\d{1,6}\]:? ?/,
];
const PREFIXES: readonly RegExp[] = [
  ...SOURCES,
  /^[\w.-]{1,40} {1,4}\| {1,9}(?=\S)/,
  // Frames that others draw around a log: boxes, pytest's and exception groups' bars, mpirun's tags, grep's file names, counters, quotes.
  /^\s{0,12}[│┃|] {0,40}(?=\S)/,
  /^E {3,40}(?=\S)/,
  /^\[\d{1,4},\d{1,6}\]<std(?:out|err)>: ?/,
  /^[\w./-]{1,200}\.(?:log|out|err|txt):(?:\d{1,9}:)?\s?/,
  /^\[\d{1,9}\] (?=[[({A-Za-z])/,
  /^`(?=\S)/,
  /^> (?=\S)/,
  /^\{"log":"(?:\\u001b\[[\d;]{0,8}m)?/,
  /^(?:Exception has occurred|发生异常): /,
  /^\[(?:Bug|BUG|Usage|Feature|Installation|Issue|Question)\]:? ["'`]?/,
  /^(?:ERROR|INFO|WARNING|DEBUG|CRITICAL) \d\d-\d\d \d\d:\d\d:\d\d (?:\[[^\]\n]{1,120}\]|\S{1,120}\]) ?/,
  /^\[\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:[.,]\d+)?(?: [A-Z]{2}\d+)*\] ?/,
  /^\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?(?: std(?:out|err) [FP])?\s?(?:(?:- )?(?:ERROR|CRITICAL)(?: -|:)? ?)?/,
];
/** A program that logs what its child printed gives every line of a traceback the level INFO. */
const RELAYED =
  /^(?:[^\n]{1,120}?)(?:\bINFO\b|\bDEBUG\b)\s{0,3}(?:\||-|:|\])?\s{1,3}(?=(?:\[rank\d{1,6}\]:\s{0,8})?(?:Traceback \(most recent|\s{0,8}File "|(?:[a-z_][\w.]{0,120}\.)?[A-Z]\w{0,80}(?:Error|Exception)(?:: |$)))/;
const FRAME = /^(?:\s{0,12}[│┃|] {0,40}|\[\d{1,4},\d{1,6}\]<std(?:out|err)>: ?|[\w./-]{1,200}\.(?:log|out|err|txt):(?:\d{1,9}:)?\s?|`)/;
const TIME = String.raw`\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?`;
/** A logger's level stands after a time and at most a few words: each is followed by what is no part of a word, so there is one way to read them. */
const BEFORE_LEVEL = String.raw`^[\s[(]{0,4}(?:${TIME}[\s:|\])-]{0,4})?(?:[\w.]{1,40}[\s:|[\]()-]{1,3}){0,5}?`;
const AFTER_LEVEL = String.raw`(?=[\s\]:|)-])`;
const WARNING = new RegExp(
  String.raw`${BEFORE_LEVEL}WARN(?:ING)?${AFTER_LEVEL}|\b\w{0,30}Warning: |^\[${TIME} W |^W\d{4} \d\d:\d\d:\d\d|NCCL WARN`,
);
const INFO = new RegExp(
  String.raw`${BEFORE_LEVEL}(?:INFO|DEBUG|NOTICE)${AFTER_LEVEL}|^\[${TIME} [ID] |^[ID]\d{4} \d\d:\d\d:\d\d|NCCL INFO`,
);
const LOUD = /^(?:\S{1,40} ){0,4}(?:ERROR|CRITICAL|FATAL)\b/;

function withoutEscapes(text: string): string {
  return text.includes("\x1b") ? text.replace(ESCAPES, "") : text;
}

function sourceOf(text: string): string {
  for (const prefix of SOURCES) {
    const [found] = prefix.exec(text) ?? [];
    if (found !== undefined) return found;
  }
  return "";
}

function levelOf(head: string): Line["level"] {
  if (LOUD.test(head)) return "error";
  if (INFO.test(head)) return "info";
  return WARNING.test(head) ? "warning" : "none";
}

function parse(raw: string, number: number | null): Line {
  const cut = raw.length > KEPT_HEAD + KEPT_TAIL ? `${raw.slice(0, KEPT_HEAD)} … ${raw.slice(-KEPT_TAIL)}` : raw;
  const text = cut.replace(REPEATED, "");
  const source = sourceOf(text);
  const told = text.slice(source.length);
  const [relay = ""] = RELAYED.exec(told.slice(0, 400)) ?? [];
  const said = told.slice(relay.length);
  let body = said;
  for (let changed = true, rounds = 0; changed && rounds < 5; rounds += 1) {
    changed = false;
    for (const prefix of PREFIXES) {
      const [found] = prefix.exec(body) ?? [];
      if (found === undefined || found === "") continue;
      body = body.slice(found.length);
      changed = true;
    }
  }
  // Frames around the line stand before its level.
  const head = said.replace(FRAME, "").slice(0, 200);
  return { number, text, body, source, level: levelOf(head) };
}

export type LogLines = {
  readonly count: number;
  /** The whole cleaned text, with the offset at which each line begins. */
  readonly text: string;
  readonly indexAt: (offset: number) => number;
  /** Offset of the line's end. */
  readonly endOf: (index: number) => number;
  readonly at: (index: number) => Line;
};

/** Splits at line feeds and at carriage returns (progress bars rewrite their line); both parts of such a line share its number. */
export function logLines(parts: readonly LogPart[]): LogLines {
  const starts: number[] = [];
  const numbers: number[] = [];
  let text = "";
  for (const part of parts) {
    const clean = withoutEscapes(part.text);
    let number = part.firstLine ?? 0;
    const base = text.length;
    starts.push(base);
    numbers.push(number);
    let feed = clean.indexOf("\n");
    let back = clean.indexOf("\r");
    while (feed >= 0 || back >= 0) {
      const isFeed = back < 0 || (feed >= 0 && feed < back);
      const i = isFeed ? feed : back;
      if (isFeed && part.firstLine !== null) number += 1;
      starts.push(base + i + 1);
      numbers.push(number);
      if (isFeed) feed = clean.indexOf("\n", i + 1);
      else back = clean.indexOf("\r", i + 1);
    }
    text = text === "" ? `${clean}\n` : `${text}${clean}\n`;
  }
  const endOf = (index: number): number => (starts[index + 1] ?? text.length) - 1;
  const parsed = new Map<number, Line>();
  const at = (index: number): Line => {
    const known = parsed.get(index);
    if (known !== undefined) return known;
    const end = endOf(index);
    const number = numbers[index] ?? 0;
    const line = parse(text.slice(starts[index] ?? 0, end).trimEnd(), number === 0 ? null : number);
    parsed.set(index, line);
    return line;
  };
  const indexAt = (offset: number): number => {
    let low = 0;
    let high = starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((starts[middle] ?? 0) <= offset) low = middle;
      else high = middle - 1;
    }
    return low;
  };
  return { count: starts.length, text, indexAt, endOf, at };
}
