/** Which calls of the store a request makes, in order: two requests that ask the same things take the same way through the code. */
import type { Store } from "../../src/control/ports.ts";

type Calls = { [name: string]: (...args: readonly unknown[]) => unknown };

/** Watches until `stop`, which gives each call's name and for whom it asked. The note of a token's use, once a minute, is left out. */
export function watchStore(store: Store): { readonly stop: () => readonly string[] } {
  const asked: string[] = [];
  const undo: (() => void)[] = [];
  for (const [part, calls] of Object.entries(store as unknown as { [part: string]: Calls | (() => void) })) {
    if (typeof calls === "function") continue;
    for (const [name, call] of Object.entries(calls)) {
      calls[name] = (...args) => {
        if (name !== "touchToken") asked.push([`${part}.${name}`, ...args.slice(1).filter((one) => typeof one === "string")].join(" "));
        return call(...args);
      };
      undo.push(() => (calls[name] = call));
    }
  }
  return {
    stop: () => {
      for (const one of undo) one();
      return asked;
    },
  };
}
