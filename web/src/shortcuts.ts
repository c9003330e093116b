/** Keys without a modifier. They are for those who want them: the help turns them off (WCAG 2.1.4). */
import { useEffect } from "react";
import { observable } from "./observable.ts";
import { remembered } from "./remembered.ts";

const stored = remembered("shortcuts");
export const areOn = observable(stored.get() !== "off");

export function setShortcuts(on: boolean): void {
  stored.set(on ? "on" : "off");
  areOn.set(on);
}

/** Not while somebody types, nor in a dialog. */
export function useShortcuts(keys: { readonly [key: string]: () => void }): void {
  useEffect(() => {
    const onKey = (event: KeyboardEvent): void => {
      if (!areOn.get() || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
      const { target } = event;
      if (target instanceof HTMLElement && (target.isContentEditable || /^(?:INPUT|TEXTAREA|SELECT)$/.test(target.tagName))) return;
      if (document.querySelector("dialog[open]") !== null) return;
      const act = Object.hasOwn(keys, event.key) ? keys[event.key] : undefined;
      if (act === undefined) return;
      event.preventDefault();
      act();
    };
    document.addEventListener("keydown", onKey);
    return () => document.removeEventListener("keydown", onKey);
  });
}
