/** Who is signed in. The token lives in this tab's session storage alone: it is gone with the tab, and no other tab has it. */
import { observable } from "./observable.ts";

const KEY = "verlpool.token";

/** Why nobody is signed in. */
export type SignedOut = "never" | "left" | "ended" | "disabled";

const state = observable<{ readonly token: string | null; readonly why: SignedOut }>({ token: sessionStorage.getItem(KEY), why: "never" });

export const session = {
  state,
  token: (): string | null => state.get().token,
  begin: (token: string): void => {
    sessionStorage.setItem(KEY, token);
    state.set({ token, why: "never" });
  },
  end: (why: SignedOut): void => {
    if (state.get().token === null) return;
    sessionStorage.removeItem(KEY);
    state.set({ token: null, why });
  },
};
