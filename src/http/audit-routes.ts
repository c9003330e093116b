/** The audit trail. */
import { renderAudit } from "../contract/render.ts";
import { listAudit } from "../control/audit.ts";
import { ok, pageRequest, type RouteFunctions } from "./call.ts";
import type { HttpDeps } from "./deps.ts";

const instantOf = (text: string | undefined): number | null => (text === undefined ? null : Date.parse(text));

export function auditRoutes(deps: HttpDeps): Pick<RouteFunctions, "listAudit"> {
  return {
    listAudit: async ({ query }) => {
      const filter = {
        actor: query.actor ?? null,
        action: query.action ?? null,
        target: query.target ?? null,
        userId: query.user ?? null,
        after: instantOf(query.after),
        before: instantOf(query.before),
      };
      const page = await listAudit(deps.store, deps.cursors, filter, pageRequest(query));
      return ok({ audit: page.rows.map(renderAudit), next_cursor: page.nextCursor });
    },
  };
}
