/** What of the server works, on the wire. */
import { z } from "zod";

export const ReadyWire = z
  .object({
    status: z.enum(["ok", "degraded", "failing"]),
    checks: z.record(z.string(), z.object({ status: z.enum(["ok", "degraded", "failing"]), ms: z.number() })),
  })
  .meta({ id: "Ready" });
