/** English and Chinese; what the server says (reasons, diagnoses) is English and shown as it is. */
import { observable, useObservable } from "../observable.ts";
import { remembered } from "../remembered.ts";
import { visible } from "../text/visible.ts";
import { en } from "./en.ts";
import { zh } from "./zh.ts";

export type Key = keyof typeof en;
export type Language = "en" | "zh";
export type Words = { readonly [name: string]: string | number };

const DICTIONARIES: { readonly [language in Language]: { readonly [key in Key]: string } } = { en, zh };

const stored = remembered("language");
const language = observable<Language>(first());

function first(): Language {
  const wanted = stored.get() ?? navigator.language;
  return wanted.startsWith("zh") ? "zh" : "en";
}

function mark(next: Language): void {
  document.documentElement.lang = next === "zh" ? "zh-CN" : "en";
}
mark(language.get());

export function setLanguage(next: Language): void {
  stored.set(next);
  language.set(next);
  mark(next);
}

export type Translate = (key: Key, words?: Words) => string;

export function useLanguage(): { readonly language: Language; readonly t: Translate } {
  const current = useObservable(language);
  return { language: current, t: (key, words) => fill(DICTIONARIES[current][key], words ?? {}) };
}

export function useWords(): Translate {
  return useLanguage().t;
}

/** The word for one of the API's own values, or the value itself where it is a new one. */
export function known(t: Translate, group: string, value: string): string {
  const key = `${group}.${value}`;
  return Object.hasOwn(en, key) ? t(key as Key) : visible(value.replaceAll("_", " "));
}

/** `{name}` stands for a word; `{n|task|tasks}` for one of two by the number n. */
export function fill(text: string, words: Words): string {
  return text.replaceAll(/\{(\w+)(?:\|([^|}]*)\|([^|}]*))?\}/g, (whole, name: string, one?: string, many?: string) => {
    const word = words[name];
    if (word === undefined) return whole;
    if (one === undefined || many === undefined) return String(word);
    return Number(word) === 1 ? one : many;
  });
}
