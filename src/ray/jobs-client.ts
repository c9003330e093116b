/** Ray's Jobs API (docs.ray.io, "Ray Jobs REST API"). Every odd fact it stands on is a named test in test/contract/ray-jobs.contract.ts. */
import type { RayJobRequest, RayJobs, SubmitOutcome } from "../control/ports.ts";
import type { RayJobView } from "../domain/types.ts";
import { jobRecord, readJson, submitAnswer } from "./jobs-schema.ts";
import type { RayAnswer, RayHttp } from "./ray-http.ts";

/** Ray keeps an id with `/`, a blank or 300 characters as a PENDING record for ever, so such an id never leaves this process. */
const SUBMISSION_ID = /^[a-z0-9][a-z0-9-]{0,127}$/;

/** A failed job's message repeats up to 20,000 characters of its log, each up to 6 bytes of JSON. */
const RECORD_BYTES = 1024 * 1024;

export function createRayJobs(http: RayHttp): RayJobs {
  async function submit(request: RayJobRequest, signal: AbortSignal): Promise<SubmitOutcome> {
    checkId(request.submissionId);
    const body = JSON.stringify(submitBody(request));
    const answer = await http.call({ method: "POST", path: "/api/jobs/", body, maxBytes: RECORD_BYTES }, signal);
    if (answer.kind === "failed") return { kind: "unknown", error: answer.error };
    if (answer.status !== 200) return { kind: "unknown", error: refusal(answer) };
    const accepted = readJson(submitAnswer, answer.text);
    if (accepted === null)
      return { kind: "unknown", error: `Ray answered 200 with something that is no submission: ${excerpt(answer.text)}` };
    if (accepted.submission_id === request.submissionId) return { kind: "accepted" };
    return { kind: "unknown", error: `Ray accepted ${excerpt(accepted.submission_id)} when asked for ${request.submissionId}` };
  }

  async function get(submissionId: string, signal: AbortSignal): Promise<RayJobView> {
    checkId(submissionId);
    const answer = await http.call({ method: "GET", path: `/api/jobs/${submissionId}`, body: null, maxBytes: RECORD_BYTES }, signal);
    if (answer.kind === "failed") return { kind: "unknown", error: answer.error };
    if (isAbsent(answer, submissionId)) return { kind: "absent" };
    if (answer.status !== 200) return { kind: "unknown", error: refusal(answer) };
    const record = readJson(jobRecord, answer.text);
    if (record === null)
      return { kind: "unknown", error: `Ray answered 200 with something that is no job record: ${excerpt(answer.text)}` };
    if (record.submission_id !== submissionId) {
      return { kind: "unknown", error: `Ray answered with the record of ${excerpt(record.submission_id)} when asked for ${submissionId}` };
    }
    return {
      kind: "found",
      status: record.status,
      message: record.message ?? "",
      errorType: record.error_type ?? null,
      nodeId: record.driver_node_id ?? null,
    };
  }

  async function stop(submissionId: string, signal: AbortSignal): Promise<void> {
    checkId(submissionId);
    await http.call({ method: "POST", path: `/api/jobs/${submissionId}/stop`, body: null, maxBytes: RECORD_BYTES }, signal);
  }

  async function remove(submissionId: string, signal: AbortSignal): Promise<void> {
    checkId(submissionId);
    await http.call({ method: "DELETE", path: `/api/jobs/${submissionId}`, body: null, maxBytes: RECORD_BYTES }, signal);
  }

  return { submit, get, stop, remove };
}

/** Ray takes CPU and GPU as fields of their own and refuses them among the custom resources. */
function submitBody(request: RayJobRequest): object {
  const { CPU: cpus, GPU: gpus, ...custom } = request.resources;
  return {
    submission_id: request.submissionId,
    entrypoint: request.entrypoint,
    runtime_env: { env_vars: request.envVars },
    metadata: request.metadata,
    entrypoint_resources: custom,
    ...(cpus === undefined ? {} : { entrypoint_num_cpus: cpus }),
    ...(gpus === undefined ? {} : { entrypoint_num_gpus: gpus }),
  };
}

/** Only Ray's own sentence about this very id: a 404 of a proxy or of another service on that port says nothing about the job. */
function isAbsent(answer: RayAnswer & { readonly kind: "answer" }, submissionId: string): boolean {
  return answer.status === 404 && answer.text.trim() === `Job ${submissionId} does not exist`;
}

function checkId(submissionId: string): void {
  if (!SUBMISSION_ID.test(submissionId)) {
    throw new RangeError(`${JSON.stringify(submissionId)} is no submission id: it must match ${SUBMISSION_ID.source}`);
  }
}

function refusal(answer: RayAnswer & { readonly kind: "answer" }): string {
  return `Ray answered ${answer.status}: ${excerpt(answer.text)}`;
}

/** The end of Ray's error texts: they are Python tracebacks, so the last lines say what happened. */
function excerpt(text: string): string {
  const flat = text.trim().replaceAll(/\s+/g, " ");
  return flat.length <= 300 ? flat : `…${flat.slice(-300)}`;
}
