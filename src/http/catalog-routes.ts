/** What a TaskSpec can name. */
import { renderCatalog } from "../contract/catalog.ts";
import { ok, type RouteFunctions } from "./call.ts";
import type { HttpDeps } from "./deps.ts";

export function catalogRoutes(deps: HttpDeps): Pick<RouteFunctions, "readCatalog"> {
  return { readCatalog: async () => ok(renderCatalog(await deps.common.catalog())) };
}
