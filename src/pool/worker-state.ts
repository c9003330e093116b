/** What an agent remembers on its own disk between its runs: which raylet it last started, and which of them are proven dead. */
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export type WorkerState = {
  /** Of the raylet that may live; null = none. */
  readonly incarnation: string | null;
  /** Killed and seen gone; the last 64, newest last. */
  readonly dead: readonly string[];
};

const KEPT = 64;

export function readWorkerState(stateDir: string): WorkerState {
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(join(stateDir, "raylet.json"), "utf8"));
  } catch {
    // Absent or spoilt: nothing is proven then.
    return { incarnation: null, dead: [] };
  }
  const { incarnation, dead } = (value ?? {}) as { readonly incarnation?: unknown; readonly dead?: unknown };
  return {
    incarnation: typeof incarnation === "string" ? incarnation : null,
    dead: Array.isArray(dead) ? dead.filter((one) => typeof one === "string").slice(-KEPT) : [],
  };
}

export function writeWorkerState(stateDir: string, state: WorkerState): void {
  const temp = join(stateDir, ".raylet.json");
  writeFileSync(temp, `${JSON.stringify({ schema: 1, ...state })}\n`, { mode: 0o600 });
  renameSync(temp, join(stateDir, "raylet.json"));
}

/** The raylet that may have lived is dead. */
export function withDeath(state: WorkerState): WorkerState {
  return state.incarnation === null ? state : { incarnation: null, dead: [...state.dead, state.incarnation].slice(-KEPT) };
}
