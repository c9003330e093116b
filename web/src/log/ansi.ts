/** A line of a log as pieces with colours. Of all control sequences only colours are obeyed; every other one is shown as text. */
import { visible } from "../text/visible.ts";

export type Piece = { readonly text: string; readonly style: string };

/** ECMA-48 SGR: parameters, then `m`. */
// oxlint-disable-next-line no-control-regex
const COLOUR = /\u001b\[([\d;:]*)m/g;
/** A line longer than this is cut: no eye reads it, and no browser lays it out in time. */
export const SHOWN_CHARS = 4_000;

type State = { fg: number | null; bold: boolean; dim: boolean; italic: boolean; underline: boolean };

export function piecesOf(line: string): readonly Piece[] {
  const pieces: Piece[] = [];
  const state: State = { fg: null, bold: false, dim: false, italic: false, underline: false };
  let at = 0;
  const take = (text: string): void => {
    if (text !== "") pieces.push({ text: visible(text), style: styleOf(state) });
  };
  for (const match of line.matchAll(COLOUR)) {
    take(line.slice(at, match.index));
    apply(state, match[1] ?? "");
    at = match.index + match[0].length;
  }
  take(line.slice(at));
  return pieces;
}

/**
 * What a terminal would show in the end of a line that was written over (progress bars), with how often it was. A log's `\r` hides text on a
 * terminal; here it is counted, so that it hides nothing unseen.
 */
export function lastState(line: string): { readonly text: string; readonly overwritten: number } {
  const states = line.replace(/\r+$/, "").split(/\r+/);
  return { text: states.at(-1) ?? "", overwritten: states.length - 1 };
}

function apply(state: State, parameters: string): void {
  const codes = parameters === "" ? [0] : parameters.split(/[;:]/).map(Number);
  for (let i = 0; i < codes.length; i += 1) {
    const code = codes[i] ?? 0;
    if (code === 0) Object.assign(state, { fg: null, bold: false, dim: false, italic: false, underline: false });
    else if (code === 1) state.bold = true;
    else if (code === 2) state.dim = true;
    else if (code === 3) state.italic = true;
    else if (code === 4) state.underline = true;
    else if (code === 22) Object.assign(state, { bold: false, dim: false });
    else if (code === 23) state.italic = false;
    else if (code === 24) state.underline = false;
    else if (code >= 30 && code <= 37) state.fg = code - 30;
    else if (code >= 90 && code <= 97) state.fg = code - 90 + 8;
    else if (code === 39) state.fg = null;
    else if (code === 38 || code === 48) {
      const palette = codes[i + 1] === 5;
      const colour = palette ? (codes[i + 2] ?? 0) : null;
      // Of the 256 only the first 16 follow the page's theme; the others would be unreadable in one of its two.
      if (code === 38) state.fg = colour !== null && colour < 16 ? colour : null;
      i += palette ? 2 : 4;
    }
  }
}

function styleOf(state: State): string {
  return [
    state.fg === null ? "" : `ansi-${state.fg}`,
    state.bold ? "ansi-bold" : "",
    state.dim ? "ansi-dim" : "",
    state.italic ? "ansi-italic" : "",
    state.underline ? "ansi-underline" : "",
  ]
    .filter(Boolean)
    .join(" ");
}
