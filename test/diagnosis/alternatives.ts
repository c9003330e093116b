/** Texts that a regular expression matches, one at least for each of its alternatives: what the rules' patterns are checked with. */

type Reader = { readonly source: string; at: number };

/** The shortest texts of each alternative; what is optional is left out and then taken once, look-arounds are taken as met. */
export function textsOf(pattern: RegExp): readonly string[] {
  return alternatives({ source: pattern.source, at: 0 });
}

function alternatives(reader: Reader): readonly string[] {
  const texts: string[] = [];
  do texts.push(...sequence(reader));
  while (take(reader, "|"));
  return texts;
}

/** Each part varies while the others stay at their first text: every branch once, not every combination. */
function sequence(reader: Reader): readonly string[] {
  const parts: (readonly string[])[] = [];
  while (reader.at < reader.source.length && !/[|)]/.test(reader.source.charAt(reader.at))) parts.push(quantified(reader));
  const first = parts.map(([text = ""]) => text);
  const varied = parts.flatMap((part, index) => part.slice(1).map((text) => first.with(index, text).join("")));
  return [first.join(""), ...varied];
}

function quantified(reader: Reader): readonly string[] {
  const texts = atom(reader);
  const [found, least] = /^(?:[*?]|\+|\{(\d+)(?:,\d*)?\})\??/.exec(reader.source.slice(reader.at)) ?? [];
  if (found === undefined) return texts;
  reader.at += found.length;
  const times = found.startsWith("+") ? 1 : Number(least ?? 0);
  return times === 0 ? ["", ...texts] : texts.map((text) => text.repeat(times));
}

function atom(reader: Reader): readonly string[] {
  const here = reader.source.charAt(reader.at);
  reader.at += 1;
  if (here === "(") return group(reader);
  if (here === "[") return [inClass(reader)];
  if (here === "\\") return [escaped(reader.source.charAt(reader.at++))];
  if (here === "^" || here === "$") return [""];
  return [here === "." ? "x" : here];
}

function group(reader: Reader): readonly string[] {
  const [lead = ""] = /^\?(?:<?[=!]|:|<\w+>)/.exec(reader.source.slice(reader.at)) ?? [];
  reader.at += lead.length;
  const texts = alternatives(reader);
  take(reader, ")");
  return /[=!]$/.test(lead) ? [""] : texts;
}

function escaped(letter: string): string {
  const stands: { readonly [letter: string]: string } = { d: "1", w: "x", S: "x", s: " ", b: "", n: "\n", t: "\t" };
  return stands[letter] ?? letter;
}

function inClass(reader: Reader): string {
  const [whole = ""] = /^(?:\\.|[^\]\\])*\]/.exec(reader.source.slice(reader.at)) ?? [];
  reader.at += whole.length;
  const one = new RegExp(`^[${whole}$`);
  return ["x", "1", " ", ":", "'", "/", ".", ...whole.split("")].find((text) => one.test(text)) ?? "";
}

function take(reader: Reader, letter: string): boolean {
  if (reader.source.charAt(reader.at) !== letter) return false;
  reader.at += 1;
  return true;
}
