/** `label=k=v`, repeatable: keys and values as Kubernetes spells them, so that they are safe in any output. */
import { AppError } from "../domain/app-error.ts";

const KEY = /^[A-Za-z0-9]([A-Za-z0-9._/-]{0,61}[A-Za-z0-9])?$/;
const VALUE = /^([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?$/;
const MAX_LABELS = 16;
const RESERVED: ReadonlySet<string> = new Set(["constructor", "prototype"]);

export function parseLabels(given: string | readonly string[] | undefined): { readonly [key: string]: string } {
  const texts = given === undefined ? [] : typeof given === "string" ? [given] : given;
  if (texts.length > MAX_LABELS) throw new AppError("bad_parameter", `at most ${MAX_LABELS} labels`);
  const labels = new Map<string, string>();
  for (const text of texts) {
    const at = text.indexOf("=");
    const key = at === -1 ? text : text.slice(0, at);
    const value = at === -1 ? "" : text.slice(at + 1);
    if (at === -1 || !KEY.test(key) || RESERVED.has(key) || !VALUE.test(value)) {
      throw new AppError(
        "bad_parameter",
        `label ${JSON.stringify(text.slice(0, 80))} must be key=value of letters, digits, '.', '_', '-' (and '/' in keys), at most 63 characters each`,
      );
    }
    if (labels.has(key)) throw new AppError("bad_parameter", `label ${key} is given twice`);
    labels.set(key, value);
  }
  return Object.fromEntries(labels);
}
