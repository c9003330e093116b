/** A node that attempts failed on twice in a day is cordoned by the scheduler itself, with the reason: no task is to meet it a third time. */
import { parseSubmissionId } from "../../domain/ids.ts";
import { isSilent } from "../../domain/node-evidence.ts";
import { failuresSince, type NodeFailure, nodesToCordon, type NodeWish } from "../../domain/node-wishes.ts";
import type { NewTaskEvent, NodeView } from "../../domain/types.ts";
import { auditEntry, type Caller } from "../audit.ts";
import type { SchedulerDeps, SchedulerMemory } from "./context.ts";

const SYSTEM: Caller = { actor: "system", from: null, tokenId: null, requestId: null };

/**
 * Only nodes whose agent is there, since nobody else would obey; and never the last one that is open, since a pool that stands still helps nobody.
 * True when a node was cordoned.
 */
export async function cordonFailing(
  deps: SchedulerDeps,
  memory: Pick<SchedulerMemory, "pool">,
  epoch: number,
  nodes: readonly NodeView[],
  session: string,
  wishes: readonly NodeWish[],
): Promise<boolean> {
  const limit = deps.settings.cordonAfterFailures;
  if (limit === 0) return false;
  const now = deps.clock.now();
  const failing = nodesToCordon(await deps.store.nodes.failures(failuresSince(now)), wishes, limit, session, now);
  const open = new Set(nodes.filter(({ closed }) => closed === null).map(({ node }) => node));
  let cordoned = false;
  for (const { node, failures } of failing) {
    const trace = memory.pool.sight.nodes.get(node);
    if (trace === undefined || isSilent(trace, deps.clock.monotonicMs())) continue;
    if (open.size - Number(open.has(node)) === 0) {
      deps.log.warn({ node, failures: failures.length }, "a node fails again and again, but no other one is open; it is not cordoned");
      continue;
    }
    const done = await cordon(deps, memory, epoch, node, failures, now);
    if (!done) continue;
    cordoned = true;
    open.delete(node);
    await tell(deps, epoch, node, failures);
  }
  return cordoned;
}

function cordon(
  deps: SchedulerDeps,
  memory: Pick<SchedulerMemory, "pool">,
  epoch: number,
  node: string,
  failures: readonly NodeFailure[],
  now: number,
): Promise<boolean> {
  const reason = reasonOf(failures);
  const gpuUuids = memory.pool.records.get(node)?.gpus.uuids ?? [];
  deps.log.warn({ node, reason }, "a node is cordoned for its failures");
  return deps.store.nodes.changeWishes((stored) => {
    const own = stored.find((wish) => wish.node === node);
    if (own?.cordon === true) return null;
    return {
      set: [{ node, cordon: true, drain: own?.drain ?? false, actor: "system", reason, gpuUuids, at: now }],
      remove: [],
      audit: auditEntry(SYSTEM, now, "node.cordon", node, null, { reason, attempts: failures.map(({ submissionId }) => submissionId) }),
    };
  }, epoch);
}

function reasonOf(failures: readonly NodeFailure[]): string {
  const labels = [...new Set(failures.map(({ failure }) => failure.label))].join(", ");
  return `${failures.length} attempts failed on it within 24 h (${labels})`;
}

/** The owner of the task that failed last sees it among its events. */
async function tell(deps: SchedulerDeps, epoch: number, node: string, failures: readonly NodeFailure[]): Promise<void> {
  const last = failures.at(-1);
  const parsed = last === undefined ? null : parseSubmissionId(last.submissionId);
  const task = parsed === null ? null : await deps.store.tasks.get(parsed.taskId);
  if (parsed === null || task === null) return;
  const event: NewTaskEvent = {
    actor: "system",
    attempt: parsed.attempt,
    type: "alert",
    reason: { code: "node_cordoned", text: `node ${node} was cordoned: ${reasonOf(failures)}` },
    data: { node },
  };
  await deps.store.tasks.change({ taskId: task.taskId, version: task.version, epoch, at: deps.clock.now(), events: [event] });
}
