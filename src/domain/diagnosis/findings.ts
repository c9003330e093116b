/** Which rules a log meets, and which of them names the root. */
import { logLines, type Line, type LogLines, type LogPart } from "./log-lines.ts";
import { wordFinder, type WordFinder } from "./needles.ts";
import { type Course, course, PROGRESS_WORDS } from "./progress.ts";
import { beginsHere, isShown, isSourceText, MARKS, shownRegions } from "./quoted.ts";
import { RULES } from "./rules.ts";
import type { Rule, Strength } from "./rule.ts";
import { aroundMatches, ignoredException } from "./traceback.ts";

type Place = { readonly line: Line; readonly index: number; readonly at: number };
export type Finding = {
  readonly rule: Rule;
  readonly strength: Strength;
  /** At least one, the first in the log first. */
  readonly places: readonly Place[];
  readonly said: { readonly [name: string]: string | undefined };
};
export type Findings = {
  readonly best: Finding | null;
  /** Errors that no rule knows, in order. */
  readonly unexplained: readonly Place[];
};

const RANK: { readonly [strength in Strength]: number } = { cause: 3, symptom: 2, consequence: 1, hint: 0 };
const PLACES = 3;
/** A rule's word may stand on each of a hundred thousand lines. */
const TRIES = 2_000;

/** How far from the end a picture of the end may begin: a table or stacks take some lines. */
const END_LINES = 400;

const EXCEPTION_WORDS = ["error: ", "exception: ", "error(", "exception("];
/** Wrappers and endings, which say nothing of their own. */
const WRAPPER =
  /RayTaskError|ActorDiedError|ActorUnavailableError|RayActorError|WorkerCrashedError|ChildFailedError|KeyboardInterrupt|SystemExit|GetTimeoutError|CalledProcessError|DistBackendError|ProcessRaisedException|ProcessExitedException|BrokenPipeError|ConnectionResetError|EOFError|EngineDeadError|EngineCore|CancelledError|StopIteration/;
const EXCEPTION = /^(?:[a-z_][\w.]{0,120}\.)?(?:[A-Z]\w{0,80}(?:Error|Exception)|Exception)(?:: |\()/;

type Index = { readonly finder: WordFinder; readonly rulesOf: readonly (readonly number[])[]; readonly kinds: readonly Kind[] };
type Kind = "rule" | "mark" | "progress" | "exception";

let built: Index | null = null;

/** Built at the first diagnosis: most commands of the program never make one. */
function index(): Index {
  if (built !== null) return built;
  const words = new Map<string, { readonly kind: Kind; readonly rules: number[] }>();
  for (const [kind, list] of [
    ["mark", MARKS],
    ["progress", PROGRESS_WORDS],
    ["exception", EXCEPTION_WORDS],
  ] as const)
    for (const word of list) words.set(`${kind}\n${word}`, { kind, rules: [] });
  for (const [at, rule] of RULES.entries())
    for (const needle of rule.needles) {
      const key = `rule\n${needle}`;
      const known = words.get(key) ?? { kind: "rule" as const, rules: [] };
      known.rules.push(at);
      words.set(key, known);
    }
  const entries = [...words];
  built = {
    finder: wordFinder(entries.map(([key]) => key.slice(key.indexOf("\n") + 1))),
    rulesOf: entries.map(([, { rules }]) => rules),
    kinds: entries.map(([, { kind }]) => kind),
  };
  return built;
}

type Hits = {
  readonly byRule: ReadonlyMap<number, readonly number[]>;
  readonly marks: readonly number[];
  readonly progress: readonly number[];
  readonly exceptions: readonly number[];
};

function scan(lines: LogLines): Hits {
  const { finder, rulesOf, kinds } = index();
  const byRule = new Map<number, number[]>();
  const others: { readonly [kind in Exclude<Kind, "rule">]: number[] } = { mark: [], progress: [], exception: [] };
  let from = 0;
  let to = -1;
  let line = 0;
  const note = (list: number[], limit: number): void => {
    if (list.at(-1) === line) return;
    if (list.length < limit) list.push(line);
    else list[limit - 1] = line;
  };
  finder.scan(lines.text, (word, at) => {
    if (at < from || at > to) {
      line = lines.indexAt(at);
      from = at;
      to = lines.endOf(line);
    }
    const kind = kinds[word];
    if (kind === undefined) return;
    if (kind !== "rule") return note(others[kind], 200_000);
    for (const rule of rulesOf[word] ?? []) {
      const list = byRule.get(rule) ?? [];
      if (list.length === 0) byRule.set(rule, list);
      note(list, TRIES);
    }
  });
  return { byRule, marks: others.mark, progress: others.progress, exceptions: others.exception };
}

export function findings(parts: readonly LogPart[]): Findings {
  const lines = logLines(parts);
  const hits = scan(lines);
  const shown = shownRegions(lines, hits.marks);
  const path = course(lines, hits.progress);
  const found: Finding[] = [];
  for (const [at, indices] of hits.byRule) {
    const rule = RULES[at];
    if (rule === undefined) continue;
    const finding = tryRule(rule, indices, lines, shown, path);
    if (finding !== null) found.push(finding);
  }
  const explained = new Set(found.flatMap(({ places }) => places.map((place) => place.index)));
  const unexplained = unknownErrors(lines, hits.exceptions, shown, path, explained);
  const met = new Set(found.map(({ rule }) => rule.id));
  const roots = found.filter(({ rule }) => rule.follows?.some((id) => met.has(id)) !== true);
  const best = roots.toSorted(byRoot)[0] ?? null;
  return { best: best !== null && isAnswer(best, unexplained, path, lines) ? best : null, unexplained };
}

function byRoot(a: Finding, b: Finding): number {
  return (
    RANK[b.strength] - RANK[a.strength] ||
    (a.places[0]?.index ?? 0) - (b.places[0]?.index ?? 0) ||
    RULES.indexOf(a.rule) - RULES.indexOf(b.rule)
  );
}

/** That something died explains nothing where an error stands that no rule knows. */
function isAnswer(best: Finding, unexplained: readonly Place[], path: Course, lines: LogLines): boolean {
  if (RANK[best.strength] > RANK.consequence) return true;
  if (unexplained.length > 0) return false;
  const last = best.places.at(-1)?.index ?? 0;
  // A run that said it was through, and then what any exit prints.
  return path.finishedAt < 0 || lines.at(last).number === null || last > path.finishedAt;
}

function tryRule(rule: Rule, indices: readonly number[], lines: LogLines, shown: (index: number) => boolean, path: Course): Finding | null {
  const places: Place[] = [];
  let said: Finding["said"] = {};
  let fromSource: Finding | null = null;
  for (const at of indices) {
    if (places.length >= PLACES) break;
    const line = lines.at(at);
    if (isRefuted(rule, at, path, line)) continue;
    const match = rule.pattern.exec(line.body);
    if (match === null) continue;
    if ((line.level === "warning" && rule.anyLevel !== true) || (line.level === "info" && rule.infoToo !== true)) continue;
    if (isShown(line, match.index) || shown(at)) continue;
    if (rule.atEnd === true && hasMoreAfter(lines, at)) continue;
    if (isSourceText(line) && rule.anywhere !== true) {
      if (rule.strength !== "hint" && rule.frames === undefined)
        fromSource ??= { rule, strength: "consequence", places: [{ line, index: at, at: match.index }], said: match.groups ?? {} };
      continue;
    }
    if (rule.anywhere !== true && !beginsHere(line, match.index)) continue;
    if (ignoredException(lines, at)) continue;
    if (!aroundMatches(rule, lines, at)) continue;
    if (places.length === 0) said = match.groups ?? {};
    places.push({ line, index: at, at: match.index });
  }
  return places.length > 0 ? { rule, strength: rule.strength, places, said } : fromSource;
}

function isRefuted(rule: Rule, at: number, path: Course, line: Line): boolean {
  if (line.number === null) return false;
  if (rule.outlivesSteps === true) return at < path.lastingFrom;
  return at < (rule.oneStepRefutes === true ? path.lastStepAt : path.refutedBefore) || at < path.finishedAt;
}

function hasMoreAfter(lines: LogLines, at: number): boolean {
  if (lines.count - at > END_LINES) return true;
  let seen = 0;
  for (let i = at + 1; i < lines.count; i += 1) {
    const { body, text } = lines.at(i);
    if (body.trim() !== "" && !/^[\s|+=>_-]/.test(body) && !text.startsWith("|")) seen += 1;
    if (seen > 3) return true;
  }
  return false;
}

function unknownErrors(
  lines: LogLines,
  indices: readonly number[],
  shown: (index: number) => boolean,
  path: Course,
  explained: ReadonlySet<number>,
): readonly Place[] {
  const out: Place[] = [];
  for (const at of indices.slice(-TRIES)) {
    const line = lines.at(at);
    if (line.number !== null && (at < path.refutedBefore || at < path.finishedAt)) continue;
    if (!EXCEPTION.test(line.body) || WRAPPER.test(line.body.slice(0, 200)) || line.level === "warning" || line.level === "info") continue;
    if (explained.has(at) || isShown(line, 0) || shown(at) || ignoredException(lines, at)) continue;
    out.push({ line, index: at, at: 0 });
  }
  return out;
}
