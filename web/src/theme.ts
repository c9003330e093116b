/** Light, dark, or as the system says. */
import { observable } from "./observable.ts";
import { remembered } from "./remembered.ts";

export const THEMES = ["auto", "light", "dark"] as const;
export type Theme = (typeof THEMES)[number];

const stored = remembered("theme");
export const theme = observable<Theme>(THEMES.find((one) => one === stored.get()) ?? "auto");

const system = window.matchMedia("(prefers-color-scheme: dark)");

/** What the page looks like now: canvases draw with it. */
export const isDark = observable(false);

function apply(): void {
  const chosen = theme.get();
  document.documentElement.dataset["theme"] = chosen;
  isDark.set(chosen === "dark" || (chosen === "auto" && system.matches));
}

system.addEventListener("change", apply);
theme.subscribe(apply);
apply();

export function setTheme(next: Theme): void {
  stored.set(next);
  theme.set(next);
}
