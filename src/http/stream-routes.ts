/** Ids of tasks as they change, as server-sent events: what a page needs to read only what is new. */
import { taskWatch, type TasksChanged } from "../control/watch-tasks.ts";
import type { Call, RouteFunctions } from "./call.ts";
import type { HttpDeps } from "./deps.ts";

/** A comment at least so often keeps proxies from closing a quiet stream. */
const COMMENT_EVERY_MS = 15_000;

export function streamRoutes(deps: HttpDeps): Pick<RouteFunctions, "streamChanges"> {
  const watch = taskWatch(deps.store, deps.clock);
  async function* events(call: Call<"streamChanges">): AsyncGenerator<string> {
    // Proxies and clients see the headers only with the first bytes.
    yield ": watching\n\n";
    let spoke = deps.clock.monotonicMs();
    for await (const change of watch(call.principal, call.signal)) {
      const now = deps.clock.monotonicMs();
      const isQuiet = change.kind === "changed" && change.taskIds.length === 0;
      if (isQuiet && now - spoke < COMMENT_EVERY_MS) continue;
      yield isQuiet ? ": still here\n\n" : format(change);
      spoke = now;
    }
  }
  return { streamChanges: (call) => Promise.resolve({ body: { kind: "sse", events: events(call) } }) };
}

function format(change: TasksChanged): string {
  return change.kind === "missed"
    ? "event: missed\ndata: {}\n\n"
    : `event: tasks\ndata: ${JSON.stringify({ task_ids: change.taskIds })}\n\n`;
}
