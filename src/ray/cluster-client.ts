/** Where the head is, and which nodes can take a driver. Totals come from the state API, usage from the autoscaler's report. */
import type { RayCluster } from "../control/ports.ts";
import type { HeadView, NodeView } from "../domain/types.ts";
import type { z } from "zod";
import { clusterStatusAnswer, nodesAnswer, readJson, versionAnswer } from "./jobs-schema.ts";
import type { RayHttp } from "./ray-http.ts";

/** Lists DEAD nodes and stops at 100 unless told otherwise; `detail` adds the start time that tells two incarnations of a node apart. */
const NODES_PATH = "/api/v0/nodes?filter_keys=state&filter_predicates=%3D&filter_values=ALIVE&limit=10000&detail=true";
const NODES_BYTES = 16 * 1024 * 1024;
const SMALL_BYTES = 64 * 1024;
const NODE_NAME = /^[a-z0-9][a-z0-9.-]{0,62}$/;

type RayNode = z.infer<typeof nodesAnswer>["data"]["result"]["result"][number];
type UsageByNode = { readonly [nodeId: string]: { readonly [resource: string]: readonly [number, number] } };

export class RayUnreachable extends Error {
  override readonly name = "RayUnreachable";
}

/** `gcsAddress`: the head's `host:port` as head.json gives it; null = only the dashboard is known, and its host and port stand in. */
export function createRayCluster(http: RayHttp, gcsAddress: () => string | null, baseUrl: () => string | null): RayCluster {
  async function head(signal: AbortSignal): Promise<HeadView> {
    const health = await http.call({ method: "GET", path: "/api/gcs_healthz", body: null, maxBytes: SMALL_BYTES }, signal);
    if (health.kind === "failed") return { kind: "down", error: health.error };
    if (health.status !== 200 || health.text.trim() !== "success") {
      return { kind: "down", error: `Ray's GCS is not healthy: the dashboard answered ${health.status}` };
    }
    const answer = await http.call({ method: "GET", path: "/api/version", body: null, maxBytes: SMALL_BYTES }, signal);
    if (answer.kind === "failed") return { kind: "down", error: answer.error };
    if (answer.status === 401 || answer.status === 403) {
      return { kind: "down", error: `Ray refuses our token (${answer.status}): check ray.token_file` };
    }
    const version = answer.status === 200 ? readJson(versionAnswer, answer.text) : null;
    if (version === null) return { kind: "down", error: `no Ray answers /api/version (status ${answer.status})` };
    const address = gcsAddress() ?? URL.parse(baseUrl() ?? "")?.host ?? "";
    return { kind: "up", session: version.session_name, address, rayVersion: version.ray_version };
  }

  async function read<T>(path: string, schema: z.ZodType<T>, signal: AbortSignal): Promise<T> {
    const answer = await http.call({ method: "GET", path, body: null, maxBytes: NODES_BYTES }, signal);
    if (answer.kind === "failed") throw new RayUnreachable(answer.error);
    const parsed = answer.status === 200 ? readJson(schema, answer.text) : null;
    if (parsed === null) throw new RayUnreachable(`Ray's answer to ${path} (status ${answer.status}) can't be read`);
    return parsed;
  }

  async function nodes(signal: AbortSignal): Promise<readonly NodeView[]> {
    const [listed, status] = await Promise.all([
      read(NODES_PATH, nodesAnswer, signal),
      read("/api/cluster_status", clusterStatusAnswer, signal),
    ]);
    return nodeViews(listed.data.result.result, status.data.clusterStatus?.loadMetricsReport?.usageByNode ?? {});
  }

  return { head, nodes };
}

/**
 * One view a living node that offers `worker_node`, by name. Ray's usage lags by up to 5 s and lacks a node that has just joined (counted as
 * unused): it checks a ledger, it never replaces one.
 */
export function nodeViews(rayNodes: readonly RayNode[], usageByNode: UsageByNode): readonly NodeView[] {
  const workers = rayNodes.filter((node) => node.state === "ALIVE" && (node.resources_total["worker_node"] ?? 0) > 0);
  const newest = new Map<string, RayNode>();
  for (const node of workers) {
    const name = stableName(node, workers);
    const rival = newest.get(name);
    if (rival === undefined || startedAt(rival) < startedAt(node)) newest.set(name, node);
  }
  return [...newest]
    .map(([name, node]) => {
      const usage = usageByNode[node.node_id] ?? {};
      return {
        node: name,
        rayNodeId: node.node_id,
        address: node.node_ip ?? null,
        gpusTotal: node.resources_total["GPU"] ?? 0,
        cpusTotal: node.resources_total["CPU"] ?? 0,
        gpusUsed: usage["GPU"]?.[0] ?? 0,
        cpusUsed: usage["CPU"]?.[0] ?? 0,
        rivals: workers.filter((other) => other !== node && stableName(other, workers) === name).map((other) => other.node_id),
        closed: null,
      };
    })
    .sort((a, b) => (a.node < b.node ? -1 : 1));
}

/** The name given to `ray start --node-name` (else its IP). A name on two addresses is no name: both go by address. */
function stableName(node: RayNode, all: readonly RayNode[]): string {
  const name = node.node_name ?? "";
  const isOurs = NODE_NAME.test(name) && all.every((other) => other.node_name !== name || other.node_ip === node.node_ip);
  return isOurs ? name : (node.node_ip ?? node.node_id);
}

/** A frozen raylet stays ALIVE for a minute beside its successor on the same machine; the successor is the node. */
function startedAt(node: RayNode): number {
  return node.start_time_ms ?? 0;
}
