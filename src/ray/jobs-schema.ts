/** The shapes of Ray's dashboard API that we rely on (ray/dashboard/modules/job/pydantic_models.py, state API). Unknown fields are ignored. */
import { z } from "zod";

/** `GET /api/jobs/<id>`. An unknown status is no record: it must change nothing. */
export const jobRecord = z.object({
  type: z.literal("SUBMISSION"),
  submission_id: z.string(),
  status: z.enum(["PENDING", "RUNNING", "STOPPED", "SUCCEEDED", "FAILED"]),
  message: z.string().nullish(),
  error_type: z.string().nullish(),
  driver_node_id: z.string().nullish(),
});

/** `POST /api/jobs/`, 200. */
export const submitAnswer = z.object({ submission_id: z.string() });

/** `GET /api/version`. */
export const versionAnswer = z.object({ ray_version: z.string(), session_name: z.string() });

/** `GET /api/v0/nodes?detail=true`. */
export const nodesAnswer = z.object({
  result: z.literal(true),
  data: z.object({
    result: z.object({
      result: z.array(
        z.object({
          node_id: z.string(),
          node_ip: z.string().nullish(),
          node_name: z.string().nullish(),
          state: z.string(),
          resources_total: z.record(z.string(), z.number()),
          start_time_ms: z.number().nullish(),
        }),
      ),
    }),
  }),
});

const usage = z.tuple([z.number(), z.number()]);

/** `GET /api/cluster_status`; `clusterStatus` is null until the head's monitor has reported once. */
export const clusterStatusAnswer = z.object({
  result: z.literal(true),
  data: z.object({
    clusterStatus: z
      .object({ loadMetricsReport: z.object({ usageByNode: z.record(z.string(), z.record(z.string(), usage)).nullish() }).nullish() })
      .nullish(),
  }),
});

/** What `schema` reads out of `text`, or null when the text is not JSON of that shape. */
export function readJson<T>(schema: z.ZodType<T>, text: string): T | null {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  const parsed = schema.safeParse(value);
  return parsed.success ? parsed.data : null;
}
