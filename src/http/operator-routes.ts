/** The admin's words about the queue as a whole and about an attempt that no machine can vouch for. */
import { renderAttempt, renderPause } from "../contract/render.ts";
import { declareDead, pauseQueue, resumeQueue } from "../control/operate.ts";
import { callerOf, ok, type RouteFunctions } from "./call.ts";
import type { HttpDeps } from "./deps.ts";

export function operatorRoutes(deps: HttpDeps): Pick<RouteFunctions, "pauseQueue" | "resumeQueue" | "declareDead"> {
  return {
    pauseQueue: async (call) => {
      const paused = await pauseQueue(deps, call.body.reason ?? null, callerOf(call));
      deps.loop.wake();
      return ok({ paused: renderPause(paused) });
    },
    resumeQueue: async (call) => {
      const paused = await resumeQueue(deps, callerOf(call));
      deps.loop.wake();
      return ok({ paused: renderPause(paused) });
    },
    declareDead: async (call) => {
      const attempt = await declareDead(deps, call.params["submission_id"] ?? "", call.body.reason, callerOf(call));
      deps.loop.wake();
      return ok(renderAttempt(attempt));
    },
  };
}
