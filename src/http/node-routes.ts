/** The nodes of the pool, and what the admin wants of them. */
import type { NodeWire } from "../contract/nodes.ts";
import { instant, renderGpu } from "../contract/render.ts";
import { changeNode, listNodes, type NodeRow, type NodeVerb } from "../control/nodes.ts";
import { pageOf } from "../control/cursors.ts";
import { openText } from "../control/ray-door.ts";
import type { LoopView } from "../control/scheduler/loop.ts";
import { actorOf } from "../domain/access.ts";
import type { Principal } from "../domain/types.ts";
import { type Answer, type Call, callerOf, ok, pageRequest, type RouteFunctions } from "./call.ts";
import type { HttpDeps } from "./deps.ts";

export function nodeRoutes(deps: HttpDeps): Pick<RouteFunctions, "listNodes" | "drainNode" | "cordonNode" | "uncordonNode" | "forgetNode"> {
  const known = { store: deps.store, clock: deps.clock, view: deps.loop.view, nodeFiles: deps.nodeFiles };
  type Changes = "drainNode" | "cordonNode" | "uncordonNode" | "forgetNode";
  const change =
    (verb: NodeVerb) =>
    async (call: Call<Changes>): Promise<Answer> => {
      const row = await changeNode(known, call.params["node"] ?? "", verb, call.body.reason ?? null, callerOf(call));
      deps.loop.wake();
      return row === null ? { status: 204, body: { kind: "none" } } : ok(renderNode(row, call.principal));
    };
  return {
    listNodes: async ({ principal, query }) => {
      const all = await listNodes(known, principal);
      const page = pageOf(all, ({ node }) => node, pageRequest(query), deps.cursors, `nodes ${actorOf(principal)}`);
      return ok({
        head: headOf(deps.loop.view(), deps.rayDoor().state === "open", principal),
        nodes: page.rows.map((row) => renderNode(row, principal)),
        next_cursor: page.nextCursor,
      });
    },
    drainNode: change("drain"),
    cordonNode: change("cordon"),
    uncordonNode: change("uncordon"),
    forgetNode: change("forget"),
  };
}

function headOf(view: LoopView, isOpen: boolean, principal: Principal) {
  const { head } = view;
  if (head?.kind === "up")
    return {
      state: "up",
      epoch: null,
      session: head.session,
      address: principal.kind === "admin" ? head.address : null,
      since: null,
      text: isOpen && principal.kind === "admin" ? `Ray ${head.rayVersion}, OPEN: ${openText(head)}` : `Ray ${head.rayVersion}`,
    };
  const text = head === null ? "not looked at yet" : principal.kind === "admin" ? head.error : "Ray's head does not answer";
  return { state: "down", epoch: null, session: null, address: null, since: null, text };
}

function renderNode(row: NodeRow, principal: Principal): NodeWire {
  const { record, view, wish } = row;
  return {
    node: row.node,
    state: row.state,
    why: row.why === null ? null : { code: row.why.code, text: row.why.text },
    gpus: { total: view?.gpusTotal ?? record?.gpus.total ?? 0, free: row.gpusFree },
    cpus: { total: view?.cpusTotal ?? record?.cpus ?? 0, free: row.cpusFree },
    tasks: row.tasks.map(({ taskId }) => taskId),
    held: row.tasks.map(({ taskId, gpus }) => ({ task_id: taskId, gpus })),
    wanted: wish === null ? null : { cordon: wish.cordon, drain: wish.drain, by: wish.actor, reason: wish.reason, at: instant(wish.at) },
    agent:
      record === null
        ? null
        : {
            version: record.agentVersion,
            ray_version: record.rayVersion,
            python_version: record.pythonVersion,
            containment: record.containment,
          },
    gpu_usage: (record?.gpus.usage ?? []).map(renderGpu),
    disk_free_bytes: record?.diskFreeBytes ?? null,
    shm_free_bytes: record?.shmFreeBytes ?? null,
    address: principal.kind === "admin" ? (record?.address ?? view?.address ?? null) : null,
    last_seen_at: row.lastSeenAt === null ? null : instant(row.lastSeenAt),
  };
}
