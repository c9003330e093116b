/** Text that a log only shows (a prompt, a sample, a line of source) tells nothing of what went wrong. */
import type { Line, LogLines } from "./log-lines.ts";

/** Words of a log that open or close a shown text; `diagnose` finds them in the same pass as the rules' words. */
export const MARKS = [
  "[prompt]",
  "[response]",
  "[ground_truth]",
  "[score]",
  "<|im_start|>",
  "<|im_end|>",
  "<|start_header_id|>",
  "<|eot_id|>",
];

/** Longer than any sample that trainers print; what comes later is the log again even if the closing mark was lost. */
const REGION_LINES = 400;

const JSON_TEXT =
  /["'](?:content|prompt|text|question|answer|response|messages?|role|input|output|instruction|query|problem|solution|completion|completions|chosen|rejected|ground_truth|raw_prompt|conversations?|value)["']\s{0,3}:|\b(?:prompt|prompts|response|responses|output_text|input_text|completion|sample|example|question)\s{0,2}=\s{0,2}["'[]/;
const SAMPLE_HEAD =
  /^(?:\[(?:prompt|response|ground_truth|score|answer|question|solution_str|extracted_answer)\]|(?:User|Human|Assistant|Question|Answer|Prompt|Response|Solution string|Extracted answer|Sample \d+|Example \d+|Instruction|Completion|Generated|Output text|Model output|问题|回答|提示词?)\s?[:：]|###? ?(?:Instruction|Response|Input|Question)|<\|)/i;
const SOURCE_TEXT =
  /^\s{0,80}(?:\d{1,6} )?(?:raise |assert |print\(|logger\.|logging\.|warnings\.warn|self\.|return |if |except |f["']|["'].{0,400}["']\)?,?$)/;
const ENDS_WITH_BREAK =
  /(?:^|[`\]:：)>|;,('"[{=•*!?·。，—-]|\b(?:Error|Exception|what\(\)|due to|because|reason|with|failed|error|got|message|exited|status|FAILED))\s{0,4}$/;

/** A record of an event or an error answer, which is JSON as well. */
const JSON_RECORD =
  /"(?:severity|source_type|event_id|levelname|log_?level)"\s{0,2}:|['"]object['"]\s{0,2}:\s{0,2}['"]error['"]|\\?"error\\?"\s{0,2}:\s{0,2}\{?\s{0,2}\\?"message/;

/** Whether the words at `at` of the line are said by the program itself, or only shown. */
export function isShown(line: Line, at: number): boolean {
  const before = line.body.slice(0, at);
  if (SAMPLE_HEAD.test(line.body)) return true;
  if (before === "") return false;
  return JSON_TEXT.test(before.slice(-4_000)) && !JSON_RECORD.test(line.body);
}

export const isSourceText = (line: Line): boolean => SOURCE_TEXT.test(line.body);

/** A dotted path, an article or a number before the message belongs to it. */
const LEAD = /(?:(?:[A-Za-z_]\w{0,40}\.){1,6}|(?:[Tt]he|[Aa]n?|[Ss]ome|\d{1,6}) {1,2})$/;
/** A message may open with its subject ("The model's max seq len …", "Worker 3 failed to …"); people talk of errors in other words. */
const SUBJECT_CHARS = 60;
const SUBJECT = /^[A-Z][\w'./-]{0,30}(?: [\w'./-]{1,30}){0,4} $/;
const TALKS =
  /\b(?:I|[Ww]e|[Yy]ou|[Pp]eople|[Uu]sers?|they|my|your|see|sees|saw|get|gets|got|hit|meet|met|face|find|found|have|help|why|[Ww]hat|[Hh]ow|[Ww]hen|[Ii]f|because|means?|may|might|could|can|would|should|often|avoid|[Ee]xplain|[Ff]ix|handle|prevent|without|like|about)\b/;
const SAID_BY_EXCEPTION = /^(?:[a-z_][\w.]{0,120}\.)?(?:[A-Z]\w{0,80}(?:Error|Exception)|Exception)(?:: |\()/;

/** Whether a message can begin at `at`: at the line's start, or after what sets it off. "I get CUDA out of memory" is a sentence about one. */
export function beginsHere(line: Line, at: number): boolean {
  if (at === 0 || line.level !== "none" || SAID_BY_EXCEPTION.test(line.body)) return true;
  if (at <= SUBJECT_CHARS && SUBJECT.test(line.body.slice(0, at)) && !TALKS.test(line.body.slice(0, at))) return true;
  return ENDS_WITH_BREAK.test(line.body.slice(Math.max(0, at - 80), at).replace(LEAD, ""));
}

/** Which lines lie in a shown text of several lines, given the lines that hold a mark. */
export function shownRegions(lines: LogLines, marked: readonly number[]): (index: number) => boolean {
  const regions: { readonly from: number; readonly to: number; readonly source: string }[] = [];
  let open: { from: number; source: string; until: RegExp } | null = null;
  for (const index of marked) {
    const line = lines.at(index);
    if (open !== null && (line.source !== open.source || index - open.from > REGION_LINES)) {
      if (index - open.from > REGION_LINES) open = null;
      else continue;
    }
    if (open !== null && open.until.test(line.text)) {
      regions.push({ from: open.from, to: index, source: open.source });
      open = null;
    }
    open ??= opening(line, index);
  }
  if (open !== null) regions.push({ from: open.from, to: open.from + REGION_LINES, source: open.source });
  return (index) => {
    let low = 0;
    let high = regions.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((regions[middle]?.from ?? 0) <= index) low = middle;
      else high = middle - 1;
    }
    const region = regions[low];
    return region !== undefined && index >= region.from && index <= region.to && lines.at(index).source === region.source;
  };
}

function opening(line: Line, index: number): { from: number; source: string; until: RegExp } | null {
  const { body, source } = line;
  if (/^\[(?:prompt|response)\]/i.test(body)) return { from: index, source, until: /\[(?:ground_truth|score)\]/i };
  const chat = Math.max(body.lastIndexOf("<|im_start|>"), body.lastIndexOf("<|start_header_id|>"));
  if (chat < 0 || Math.max(body.lastIndexOf("<|im_end|>"), body.lastIndexOf("<|eot_id|>")) > chat) return null;
  return { from: index, source, until: /<\|(?:im_end|eot_id)\|>/ };
}
