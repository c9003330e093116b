/** What the fake Ray says on the wire, word for word as Ray 2.60 does where a client could read it. */
import type { IncomingHttpHeaders } from "node:http";
import { type FakeCluster, type FakeJob, type FakeNode, type FakeSubmission, isHead } from "./fake-ray-cluster.ts";
import type { Answer, FakeRoute } from "./fake-ray.ts";

type Asked = {
  readonly route: FakeRoute | null;
  readonly url: URL;
  readonly method: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly token: string | null;
  readonly rayVersion: string;
};

const NOT_JSON = "not json";
const SUBMIT_FIELDS: ReadonlySet<string> = new Set([
  "entrypoint",
  "submission_id",
  "job_id",
  "runtime_env",
  "metadata",
  "entrypoint_num_cpus",
  "entrypoint_num_gpus",
  "entrypoint_memory",
  "entrypoint_resources",
  "entrypoint_label_selector",
]);

export function respondTo(cluster: FakeCluster, asked: Asked): Answer {
  if (asked.route === "healthz") return text(200, "success");
  if (asked.token !== null) {
    const offered = asked.headers.authorization;
    if (offered === undefined) return text(401, "Unauthorized: Missing authentication token");
    if (offered !== `Bearer ${asked.token}`) return text(403, "Forbidden: Invalid authentication token");
  }
  if (asked.method !== "GET" && isBrowser(asked.headers)) return text(405, `'${asked.method}' method not allowed for browser traffic.`);
  const id = decodeURIComponent(asked.url.pathname.split("/")[3] ?? "");
  switch (asked.route) {
    case "submit":
      return submit(cluster, asked.body);
    case "get":
      return withJob(cluster, id, (job) => json(jobDetails(job, isBrowser(asked.headers))));
    case "stop":
      return withJob(cluster, id, (job) => json({ stopped: cluster.stop(job) }));
    case "delete":
      return withJob(cluster, id, (job) => remove(cluster, job));
    case "version":
      return json({ version: "4", ray_version: asked.rayVersion, ray_commit: "fake", session_name: cluster.session() });
    case "nodes":
      return json(nodesList(cluster));
    case "status":
      return json(clusterStatus(cluster));
    case null:
      return text(404, "404: Not Found");
  }
}

function submit(cluster: FakeCluster, body: string): Answer {
  const submission = parseSubmission(body);
  if (submission === NOT_JSON) return text(500, "500 Internal Server Error\n\nServer got itself in trouble");
  if (typeof submission === "string") return text(400, traceback(`TypeError: JobSubmitRequest.__init__() ${submission}`));
  if (cluster.submit(submission) === "duplicate") {
    const said = `ValueError: Job with submission_id ${submission.submission_id} already exists. Please use a different submission_id.`;
    return text(500, traceback(`RuntimeError: Request failed with status code 400: ${traceback(said)}.`));
  }
  return json({ job_id: submission.submission_id, submission_id: submission.submission_id });
}

function parseSubmission(body: string): FakeSubmission | string {
  let raw: Record<string, unknown>;
  try {
    raw = JSON.parse(body) as Record<string, unknown>;
  } catch {
    return NOT_JSON;
  }
  const unknown = Object.keys(raw).find((key) => !SUBMIT_FIELDS.has(key));
  if (unknown !== undefined) return `got an unexpected keyword argument '${unknown}'`;
  if (typeof raw["entrypoint"] !== "string") return "missing 1 required positional argument: 'entrypoint'";
  const demand = { ...(raw["entrypoint_resources"] as Record<string, number> | undefined) };
  if (typeof raw["entrypoint_num_cpus"] === "number") demand["CPU"] = raw["entrypoint_num_cpus"];
  if (typeof raw["entrypoint_num_gpus"] === "number") demand["GPU"] = raw["entrypoint_num_gpus"];
  return {
    submission_id: String(raw["submission_id"]),
    entrypoint: raw["entrypoint"],
    runtime_env: (raw["runtime_env"] as FakeSubmission["runtime_env"] | undefined) ?? null,
    metadata: (raw["metadata"] as FakeSubmission["metadata"] | undefined) ?? null,
    demand,
  };
}

function remove(cluster: FakeCluster, job: FakeJob): Answer {
  const { status } = job;
  if (cluster.remove(job)) return json({ deleted: true });
  const said = `RuntimeError: Attempted to delete job '${job.submission.submission_id}', but it is in a non-terminal state ${status}.`;
  return text(500, traceback(`RuntimeError: Request failed with status code 500: ${traceback(said)}.`));
}

/** A GET never returns what a job asked for: no `entrypoint_num_gpus`, no `entrypoint_resources`. */
function jobDetails(job: FakeJob, redact: boolean): object {
  const { submission, node } = job;
  const envVars = submission.runtime_env?.env_vars;
  return {
    type: "SUBMISSION",
    job_id: null,
    submission_id: submission.submission_id,
    driver_info: null,
    status: job.status,
    entrypoint: submission.entrypoint,
    message: job.message,
    error_type: job.errorType,
    start_time: job.startTime,
    end_time: job.endTime,
    metadata: submission.metadata,
    runtime_env: redact && envVars !== undefined ? { ...submission.runtime_env, env_vars: "<redacted>" } : submission.runtime_env,
    driver_agent_http_address: node === null ? null : `http://${node.ip}:52365`,
    driver_node_id: node?.id ?? null,
    driver_exit_code: job.exitCode,
  };
}

function nodesList(cluster: FakeCluster): object {
  const result = [...cluster.nodes.values()].map((node) => ({
    node_id: node.id,
    node_ip: node.ip,
    is_head_node: isHead(node),
    state: "ALIVE",
    state_message: null,
    node_name: node.name,
    resources_total: node.resources,
    labels: { "ray.io/node-id": node.id },
    start_time_ms: node.startedAt,
    end_time_ms: 0,
  }));
  const listed = { total: result.length, num_after_truncation: result.length, num_filtered: result.length, result };
  return { result: true, msg: "", data: { result: { ...listed, partial_failure_warning: "", warnings: null } } };
}

function clusterStatus(cluster: FakeCluster): object {
  const usageByNode = Object.fromEntries([...cluster.nodes.values()].map((node) => [node.id, usageOf(cluster, node)]));
  return { result: true, msg: "Got cluster status.", data: { clusterStatus: { loadMetricsReport: { usageByNode, resourceDemand: [] } } } };
}

function usageOf(cluster: FakeCluster, node: FakeNode): object {
  const used = cluster.usageOf(node);
  return Object.fromEntries(Object.entries(node.resources).map(([name, total]) => [camelCase(name), [used[name] ?? 0, total]]));
}

/** The dashboard camel-cases every key of this answer, resource names included. */
function camelCase(name: string): string {
  return name.replaceAll(/_+([a-z])/g, (_, letter: string) => letter.toUpperCase());
}

/** ray/dashboard/optional_utils.py is_browser_request: any one of these headers is enough. */
function isBrowser(headers: IncomingHttpHeaders): boolean {
  return Object.entries(headers).some(
    ([name, value]) =>
      name === "origin" ||
      name === "referer" ||
      name.startsWith("sec-fetch-") ||
      name.startsWith("access-control-request-") ||
      (name === "user-agent" && String(value).startsWith("Mozilla")),
  );
}

function withJob(cluster: FakeCluster, id: string, act: (job: FakeJob) => Answer): Answer {
  const job = cluster.jobs.get(id);
  return job === undefined ? text(404, `Job ${id} does not exist`) : act(job);
}

function json(value: object): Answer {
  return { status: 200, body: JSON.stringify(value), contentType: "application/json; charset=utf-8" };
}

function text(status: number, body: string): Answer {
  return { status, body, contentType: "text/plain; charset=utf-8" };
}

function traceback(last: string): string {
  return `Traceback (most recent call last):\n  File "job_head.py", line 419, in submit_job\n${last}\n`;
}
