/** Whether Ray's dashboard does anything for somebody without a token. Whoever may submit a job there runs code as the pool's user (CVE-2023-48022). */
import type { RayDoorAnswer } from "../control/ports.ts";
import type { RayHttp } from "./ray-http.ts";

/**
 * The Jobs API, asked for a job that can't be: guarded since Ray has tokens (2.60: 401 without, 403 with a wrong one), and small, whereas the list
 * of jobs may be megabytes. `/`, `/api/gcs_healthz` and `/api/authentication_mode` are public always.
 */
const NO_JOB = "verlpool-asks-whether-the-door-is-open";
const MAX_BYTES = 64 * 1024;

/** `http` must carry no token. Rejects only with the reason of the signal. */
export function createDoorCheck(http: RayHttp): (signal: AbortSignal) => Promise<RayDoorAnswer> {
  return async (signal) => {
    const answer = await http.call({ method: "GET", path: `/api/jobs/${NO_JOB}`, body: null, maxBytes: MAX_BYTES }, signal);
    if (answer.kind === "failed") return { kind: "unknown", why: answer.error };
    if (answer.status === 401 || answer.status === 403) return { kind: "closed" };
    // Ray's own sentence: it looked. Neither a proxy's login page nor another service's 404 says it.
    if (answer.status === 404 && answer.text.includes(`Job ${NO_JOB} does not exist`)) return { kind: "open" };
    return { kind: "unknown", why: `the dashboard answered ${answer.status} to the Jobs API without a token` };
  };
}
