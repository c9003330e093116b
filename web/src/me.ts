/** Who is signed in, for all of the page. */
import { createContext, useContext } from "react";
import type { MeWire } from "../../src/contract/resources.ts";

export const Me = createContext<MeWire | null>(null);

export function useMe(): MeWire {
  const me = useContext(Me);
  if (me === null) throw new Error("a view was shown to nobody");
  return me;
}

/** A read-only token and the admin's differ in what they may change; the server decides, this only says so before. */
export function mayWrite(me: MeWire): boolean {
  return me.role === "admin" || me.scope === "full";
}
