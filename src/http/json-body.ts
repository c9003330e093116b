/** JSON bodies of the API: small, UTF-8, without the keys that change a prototype. */
import { AppError } from "../domain/app-error.ts";

const FORBIDDEN: ReadonlySet<string> = new Set(["__proto__", "constructor", "prototype"]);
const MAX_DEPTH = 32;

export function parseJsonBody(bytes: Uint8Array): unknown {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: false }).decode(bytes);
  } catch (error) {
    throw new AppError("bad_parameter", "the body is not UTF-8", { cause: error });
  }
  if (nestedTooDeep(text)) throw new AppError("bad_parameter", `the body nests deeper than ${MAX_DEPTH} levels`);
  try {
    return JSON.parse(text, (key, value: unknown) => {
      if (FORBIDDEN.has(key)) throw new AppError("bad_parameter", `the key ${key} is not accepted`);
      return value;
    });
  } catch (error) {
    if (error instanceof AppError) throw error;
    throw new AppError("bad_parameter", `the body is not valid JSON: ${error instanceof Error ? error.message : ""}`, { cause: error });
  }
}

/** Counted before parsing: brackets inside strings only make it stricter. */
function nestedTooDeep(text: string): boolean {
  let depth = 0;
  for (const character of text) {
    if (character === "{" || character === "[") depth += 1;
    else if (character === "}" || character === "]") depth -= 1;
    if (depth > MAX_DEPTH) return true;
  }
  return false;
}
