/** Text from the server or from a job's log may hold anything; on a terminal no byte of it may act. */

/** C0, DEL, C1, format characters (bidi, zero width, tags), line separators, lone surrogates. */
// oxlint-disable-next-line no-control-regex -- these are what is looked for
const UNSAFE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;
const NAMED: { readonly [char: string]: string } = { "\n": String.raw`\n`, "\r": String.raw`\r`, "\t": String.raw`\t` };

function escapeOne(char: string): string {
  const code = char.codePointAt(0) ?? 0;
  if (code <= 0xff) return NAMED[char] ?? String.raw`\x` + code.toString(16).padStart(2, "0");
  return code <= 0xffff ? String.raw`\u` + code.toString(16).padStart(4, "0") : String.raw`\u{` + code.toString(16) + "}";
}

/** One line of text in which every control, bidi and invisible character stands as an escape that can be seen (CVE-2021-25743). */
export function visible(text: string): string {
  return text.replace(UNSAFE, escapeOne);
}

/** The same for a text of several lines: line ends and tabs stay. */
export function visibleLines(text: string): string {
  return escapeLines(text.replaceAll("\r\n", "\n"));
}

function escapeLines(text: string): string {
  return text.replace(UNSAFE, (char) => (char === "\n" || char === "\t" ? char : escapeOne(char)));
}

/** Plain colour codes. Ray colours the prefix of nearly every line of a driver's log: shown as escapes they would drown the text. */
// oxlint-disable-next-line no-control-regex
const COLOUR = /\x1b\[[0-9;]*m/g;
/** What may be the beginning of a colour code or of a CRLF whose rest comes with the next piece. */
// oxlint-disable-next-line no-control-regex
const UNFINISHED = /(?:\x1b(?:\[[0-9;]{0,14})?|\r)$/;

/** Makes a log that comes in pieces safe to show: UTF-8 may be split anywhere, colour codes are dropped, all else is escaped. */
export function logForTerminal(): { readonly push: (bytes: Uint8Array) => string; readonly flush: () => string } {
  const decoder = new TextDecoder("utf-8");
  let kept = "";
  const show = (text: string): string => escapeLines(text.replaceAll("\r\n", "\n").replace(COLOUR, ""));
  return {
    push: (bytes) => {
      const text = kept + decoder.decode(bytes, { stream: true });
      kept = UNFINISHED.exec(text)?.[0] ?? "";
      return show(kept === "" ? text : text.slice(0, -kept.length));
    },
    flush: () => {
      const text = kept + decoder.decode();
      kept = "";
      return show(text);
    },
  };
}

const WIDE =
  /^(?:\p{Emoji_Presentation}|[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{20000}-\u{3fffd}])/u;
const ZERO = /^[\p{Mn}\p{Me}]/u;

function charWidth(char: string): number {
  if (ZERO.test(char)) return 0;
  return WIDE.test(char) ? 2 : 1;
}

/** Terminal cells that `text` takes (already made visible). */
export function cells(text: string): number {
  let sum = 0;
  for (const char of text) sum += charWidth(char);
  return sum;
}

/** Cut to `width` cells with an ellipsis, keeping the `keep` side; an id's end tells more than its beginning. */
export function cut(text: string, width: number, keep: "start" | "end" = "start"): string {
  if (cells(text) <= width) return text;
  const chars = keep === "start" ? Array.from(text) : Array.from(text).toReversed();
  const kept: string[] = [];
  let left = width - 1;
  for (const char of chars) {
    left -= charWidth(char);
    if (left < 0) break;
    kept.push(char);
  }
  return keep === "start" ? `${kept.join("")}…` : `…${kept.toReversed().join("")}`;
}
