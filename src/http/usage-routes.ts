/** GPU time that was used, and what it went into. */
import { readUsage, type UsageQuery } from "../control/usage.ts";
import { AppError } from "../domain/app-error.ts";
import { totalUse, type UseSplit, type UseSum } from "../domain/held-time.ts";
import { ok, type RouteFunctions } from "./call.ts";
import type { HttpDeps } from "./deps.ts";

export function usageRoutes(deps: HttpDeps): Pick<RouteFunctions, "readUsage"> {
  return {
    readUsage: async ({ principal, query }) => {
      const userId = query.user ?? null;
      if (userId !== null && (await deps.store.users.getUser(userId)) === null) throw new AppError("not_found", `no user ${userId}`);
      const from: UsageQuery["from"] = query.since === undefined ? { days: query.days } : { since: Date.parse(query.since) };
      const report = await readUsage(deps, principal, { userId, from, by: query.by ?? null });
      return ok({
        usage: report.rows.map((row) => ({ day: row.day ?? "", user_id: row.userId ?? "", ...gpuTime(row.split) })),
        groups: report.groups?.map((row) => ({ key: keyOf(row), ...gpuTime(row.split) })) ?? null,
        total: gpuTime(report.total),
        next_cursor: null,
      });
    },
  };
}

function gpuTime(split: UseSplit) {
  const total = totalUse(split);
  return { gpu_seconds: Math.round(total / 1000), gpu_ms: { total, ...split } };
}

function keyOf({ day, userId, workload, node }: UseSum): string {
  return userId ?? workload ?? node ?? day ?? "";
}
