/** What stands around a message: the frames of its traceback. */
import type { Line, LogLines } from "./log-lines.ts";
import type { Rule } from "./rule.ts";

const LINES_BACK = 300;
const OWN_LINES_BACK = 70;
const LINES_ON = 60;
const OWN_LINES_ON = 25;

/** Lines of the same source before `at`, nearest first. */
function* before(lines: LogLines, at: number): Generator<Line> {
  const { source } = lines.at(at);
  let own = 0;
  for (let i = at - 1; i >= 0 && at - i <= LINES_BACK && own < OWN_LINES_BACK; i -= 1) {
    const line = lines.at(i);
    if (line.source !== source) continue;
    own += 1;
    yield line;
  }
}

function* after(lines: LogLines, at: number): Generator<Line> {
  const { source } = lines.at(at);
  let own = 0;
  for (let i = at + 1; i < lines.count && i - at <= LINES_ON && own < OWN_LINES_ON; i += 1) {
    const line = lines.at(i);
    if (source !== "" && line.source !== source) continue;
    own += 1;
    yield line;
  }
}

function* around(lines: LogLines, at: number): Generator<Line> {
  yield lines.at(at);
  yield* before(lines, at);
  yield* after(lines, at);
}

/** A frame, its source line, or Ray's line of which task it was. */
const OF_TRACEBACK = /^\s|^(?:File "|ray::|Traceback )|RayTaskError|^-> /;

/** Whether the nearest line that tells `frames` from `notFrames` tells for the rule. */
export function aroundMatches(rule: Rule, lines: LogLines, at: number): boolean {
  const { frames, notFrames } = rule;
  if (frames === undefined && notFrames === undefined) return true;
  for (const line of around(lines, at)) {
    if (line !== lines.at(at) && !OF_TRACEBACK.test(line.body)) continue;
    const text = line.text.slice(0, 1_500);
    if (frames?.test(text) === true) return true;
    if (notFrames?.test(text) === true) return false;
  }
  return rule.elseToo === true;
}

/** Python prints "Exception ignored in" and a traceback of what it swallowed, mostly while it tidies up at exit. */
export function ignoredException(lines: LogLines, at: number): boolean {
  let own = 0;
  for (const { body } of before(lines, at)) {
    own += 1;
    if (body.startsWith("Exception ignored in")) return true;
    if (own > 25) return false;
    if (!/^(?:\s|Traceback|File )/.test(body)) return false;
  }
  return false;
}
