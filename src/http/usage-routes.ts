/** GPU time that was used. */
import { readUsage } from "../control/usage.ts";
import { AppError } from "../domain/app-error.ts";
import { ok, type RouteFunctions } from "./call.ts";
import type { HttpDeps } from "./deps.ts";

export function usageRoutes(deps: HttpDeps): Pick<RouteFunctions, "readUsage"> {
  return {
    readUsage: async ({ principal, query }) => {
      const userId = query.user ?? null;
      if (userId !== null && (await deps.store.users.getUser(userId)) === null) throw new AppError("not_found", `no user ${userId}`);
      const rows = await readUsage(deps, principal, userId, query.days);
      return ok({
        usage: rows.map((row) => ({ day: row.day, user_id: row.userId, gpu_seconds: Math.round(row.gpuMs / 1000) })),
        next_cursor: null,
      });
    },
  };
}
