/** Why a text of a TaskSpec may not be a path or a model id, in words for people. Pure: whether the file exists is asked elsewhere. */

/** The normal form of the contract: nothing that a normalisation would change, ASCII only, no part that starts with `.` or `-`. */
const COMMON_PATH = /^\/private\/common(\/[A-Za-z0-9_][A-Za-z0-9._-]*)+$/;
const REPO_ID = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,95}\/[A-Za-z0-9][A-Za-z0-9_.-]{0,95}$/;
const MAX_PATH = 4096;
const MAX_PART = 255;

export const PATH_ALLOWED = "a path under /private/common/ in normal form, e.g. /private/common/datasets/gsm8k/train.parquet";
export const MODEL_ALLOWED = "a Hugging Face repo id such as Qwen/Qwen2.5-0.5B-Instruct, or a path under /private/common/";

const SHOWN: { readonly [character: string]: string } = {
  " ": "a blank",
  "\t": "a tab",
  "\n": "a line break",
  "\r": "a line break",
  $: "a $ (no variables and no ${…} here)",
  "`": "a backtick",
  "\\": "a backslash",
  "%": "a % (no URL escapes here)",
  "~": "a ~ (write the whole path)",
  ",": "a comma (one file only)",
};

/** Names one character of a value for people; invisible and non-ASCII ones by their code point. */
function nameCharacter(character: string): string {
  const known = SHOWN[character];
  if (known !== undefined) return known;
  const code = character.codePointAt(0) ?? 0;
  const point = `U+${code.toString(16).toUpperCase().padStart(4, "0")}`;
  if (code < 0x20 || code === 0x7f) return `the control character ${point}`;
  return code > 0x7f ? `${point}, which is not ASCII` : `the character ${character}`;
}

function badCharacter(text: string): string | null {
  const found = /[^A-Za-z0-9._/-]/u.exec(text)?.[0];
  return found === undefined ? null : `contains ${nameCharacter(found)}`;
}

function badPart(part: string): string | null {
  if (part === "") return "contains // (an empty part)";
  if (part === "..") return "contains .. (a way out of /private/common)";
  if (part === ".") return "contains a part that is only .";
  if (part.length > MAX_PART) return `has a part of ${part.length} characters (at most ${MAX_PART})`;
  if (!/^[A-Za-z0-9_]/.test(part)) return `has a part that starts with ${part.charAt(0)}`;
  return null;
}

/** Null when `text` is a canonical path below /private/common, else what is wrong with it. */
export function commonPathProblem(text: string): string | null {
  if (text === "") return "is empty";
  if (text.length > MAX_PATH) return `is ${text.length} characters long (at most ${MAX_PATH})`;
  const character = badCharacter(text);
  if (character !== null) return character;
  if (!text.startsWith("/")) return "is not an absolute path";
  const parts = text.slice(1).split("/");
  if (parts.at(-1) === "") return parts.length === 1 ? "is the root directory" : "ends with /";
  for (const part of parts) {
    const problem = badPart(part);
    if (problem !== null) return problem;
  }
  if (text === "/private/common") return "is /private/common itself, not something in it";
  if (!text.startsWith("/private/common/")) {
    return text.toLowerCase().startsWith("/private/common/")
      ? "is not under /private/common/ (upper and lower case differ)"
      : "is not under /private/common/";
  }
  return COMMON_PATH.test(text) ? null : "is not in normal form";
}

/** As `commonPathProblem`, for a data set: verl picks its reader by the name's end and we promise parquet. */
export function parquetPathProblem(text: string): string | null {
  return commonPathProblem(text) ?? (text.endsWith(".parquet") ? null : "does not end with .parquet");
}

/** Null when `text` is a repo id that Hugging Face would accept, or a canonical path below /private/common. */
export function modelIdProblem(text: string): string | null {
  if (text === "") return "is empty";
  if (text.startsWith("/")) return commonPathProblem(text);
  if (/^[A-Za-z][A-Za-z0-9+.-]*:/.test(text)) return "is a URL; models come from the offline cache or from /private/common";
  const character = badCharacter(text);
  if (character !== null) return character;
  if (text.includes("..")) return "contains ..";
  if (text.includes("--")) return "contains --, which no repo id has";
  const slashes = text.split("/").length - 1;
  if (slashes === 0) return "has no owner: a repo id is owner/name";
  if (slashes > 1) return "has more than one /: a repo id is owner/name, and a path starts with /private/common/";
  return REPO_ID.test(text) ? null : "is not a repo id: owner and name start with a letter or digit and have at most 96 characters";
}
