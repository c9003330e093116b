/** Why a run ended, from what it printed. Pure, and as fast on a hostile text as on any other. */
import type { Blame } from "../types.ts";
import { findings, type Finding } from "./findings.ts";
import { type Label, LABELS } from "./labels.ts";
import type { LogPart } from "./log-lines.ts";
import type { Strength } from "./rule.ts";

/** `line` counts from 1 in the file; null = Ray's message, which is no file. */
type EvidenceLine = { readonly line: number | null; readonly text: string };

export type Diagnosis = {
  readonly label: Label;
  readonly blame: Blame;
  readonly retryable: boolean;
  /** The decisive lines, the first one first; [] when nothing told anything. */
  readonly evidence: readonly EvidenceLine[];
  readonly explanation: string;
  readonly fix: string;
};

export type DiagnosisInput = {
  /** Pieces of the log in order, e.g. its head and its tail. */
  readonly log: readonly LogPart[];
  /** What Ray says of the job; "" = nothing. */
  readonly rayMessage: string;
};

const TEXT_CHARS = 500;
const SHOWN = 3;

/** Head and tail of a log that are looked at: the cause stands where things began or where they ended. */
export const LOOKED_AT = { headBytes: 256 * 1024, tailBytes: 4 * 1024 * 1024 } as const;

/** A pattern of several forms names a thing `path`, `path2`, …; a name may stand only once in it. */
const VARIANTS = [2, 3, 4, 5, 6];

const UNKNOWN = {
  why: "No rule knows what this log says.",
  fix: "Read the lines above and the log around them. If it is a failure that others will meet, tell the operator, so that a rule can be written.",
};
const NOTHING = {
  why: "Nothing in this log says that something failed.",
  fix: "If the task did fail, look at the logs of the other processes and at how the attempt ended (verlpool show ID).",
};

export function diagnose(input: DiagnosisInput): Diagnosis {
  return decide(input).diagnosis;
}

export type Decision = {
  readonly diagnosis: Diagnosis;
  /** null = nothing was found. */
  readonly strength: Strength | null;
  /** The first line of evidence without the prefixes of who wrote it. */
  readonly decisive: string | null;
};

/** The same, with how sure it is. */
export function decide(input: DiagnosisInput): Decision {
  const parts = [...input.log, ...(input.rayMessage === "" ? [] : [{ text: input.rayMessage, firstLine: null }])];
  const { best, unexplained } = findings(parts);
  const place = best?.places[0] ?? unexplained.at(-1);
  const decisive = place === undefined ? null : place.line.body.slice(startOf(place)).trim().slice(0, TEXT_CHARS);
  return { diagnosis: best === null ? undiagnosed(unexplained) : diagnosed(best), strength: best?.strength ?? null, decisive };
}

function diagnosed(best: Finding): Diagnosis {
  const { rule } = best;
  const facts = LABELS[rule.label];
  return {
    label: rule.label,
    blame: rule.blame ?? facts.blame,
    retryable: rule.retryable ?? facts.retryable,
    evidence: evidenceOf(best),
    explanation: filled(rule.why, best.said),
    fix: filled(rule.fix, best.said),
  };
}

function undiagnosed(unexplained: Finding["places"]): Diagnosis {
  const { why, fix } = unexplained.length === 0 ? NOTHING : UNKNOWN;
  return { label: "unknown", blame: "unknown", retryable: false, evidence: lineTexts(unexplained.slice(-SHOWN)), explanation: why, fix };
}

function evidenceOf(finding: Finding): readonly EvidenceLine[] {
  return lineTexts(finding.places.slice(0, SHOWN));
}

/** Where to begin so that the match is seen: of a long line the match, else all of it. */
function startOf({ line, at }: Finding["places"][number]): number {
  return line.text.length > TEXT_CHARS && at > TEXT_CHARS / 2 ? at : 0;
}

function lineTexts(places: Finding["places"]): readonly EvidenceLine[] {
  return places.map((place) => {
    const start = startOf(place);
    const shown = start === 0 ? place.line.text : place.line.body.slice(start);
    return { line: place.line.number, text: shown.trim().slice(0, TEXT_CHARS) };
  });
}

/** {name} and {name|otherwise} from what the line said; never more than 160 characters of a stranger's text in one place. */
function filled(template: string, said: { readonly [name: string]: string | undefined }): string {
  return template.replaceAll(/\{(\w+)(?:\|([^}]*))?\}/g, (_, name: string, otherwise: string | undefined) => {
    const value = [name, ...VARIANTS.map((n) => `${name}${n}`)]
      .map((group) => said[group]?.trim())
      .find((text) => text !== undefined && text !== "");
    return value === undefined ? (otherwise ?? "?") : value.slice(0, 160);
  });
}
