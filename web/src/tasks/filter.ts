/** What the list shows, as the address says it: an address that is passed on shows the same. */
import type { TaskState, Workload } from "../../../src/domain/types.ts";
import { isLive, isTerminal, isWaiting, TASK_STATES } from "../../../src/domain/task-state.ts";

export type Filter = {
  /** A group of GROUPS, or one state. */
  readonly state: string;
  readonly workload: Workload | "";
  readonly user: string;
  readonly search: string;
};

export const WORKLOADS: readonly Workload[] = ["ppo", "grpo", "sft"];

/** By the same rules as the server's own. */
export const GROUPS = {
  open: TASK_STATES.filter((state) => !isTerminal(state)),
  running: TASK_STATES.filter(isLive),
  waiting: TASK_STATES.filter(isWaiting),
} as const satisfies { readonly [name: string]: readonly TaskState[] };

export function readFilter(search: string): Filter {
  const query = new URLSearchParams(search);
  const state = query.get("state") ?? "";
  return {
    state: Object.hasOwn(GROUPS, state) || TASK_STATES.some((known) => known === state) ? state : "",
    workload: WORKLOADS.find((known) => known === query.get("workload")) ?? "",
    user: query.get("user") ?? "",
    search: query.get("q") ?? "",
  };
}

export function writeFilter(filter: Filter): string {
  const query = new URLSearchParams();
  for (const [name, value] of [
    ["state", filter.state],
    ["workload", filter.workload],
    ["user", filter.user],
    ["q", filter.search],
  ] as const)
    if (value !== "") query.set(name, value);
  const text = query.toString();
  return text === "" ? "/tasks" : `/tasks?${text}`;
}

export function statesOf({ state }: Filter): readonly TaskState[] | null {
  if (state === "open" || state === "running" || state === "waiting") return GROUPS[state];
  return state === "" ? null : TASK_STATES.filter((known) => known === state);
}

/** `team=rl` looks for a label; anything else for a task whose id begins or ends so. */
export function searchOf({ search }: Filter): { readonly kind: "none" } | { readonly kind: "label" | "id"; readonly text: string } {
  const text = search.trim();
  if (text === "") return { kind: "none" };
  return { kind: text.includes("=") ? "label" : "id", text };
}
