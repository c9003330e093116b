/** What would make a waiting task start sooner, for whoever asks: one line each, most useful first. Pure. */
import type { Task, WaitingCode } from "../types.ts";

type Waiter = Pick<Task, "taskId" | "needs" | "priority" | "waiting" | "held">;

/** [] where only time helps. */
export function whatHelps({ taskId, needs, priority, waiting }: Waiter, maxPriority: number | null): readonly string[] {
  if (waiting === null) return [];
  const smaller = `ask for less: it needs ${gang(needs)} at once (nnodes, n_gpus_per_node)`;
  const sooner =
    maxPriority !== null && priority < maxPriority
      ? [`a higher priority, up to ${maxPriority}: verlpool prioritize ${taskId} ${maxPriority}`]
      : [];
  const advice: { readonly [code in WaitingCode]?: readonly string[] } = {
    held: waiting.text.includes("disabled") ? ["the admin: verlpool user enable"] : [`verlpool release ${taskId}`],
    paused: ["the admin: verlpool queue resume"],
    behind: sooner,
    running_limit: [...sooner, "the operator: a higher scheduler.max_running_tasks, where GPUs are idle"],
    user_limit: ["the end of one of your own tasks, or a higher limit from the admin (verlpool user limits)"],
    no_capacity: [...sooner, smaller, "more workers"],
    fragmented: [smaller, "the end of the small tasks that hold single GPUs of its nodes (verlpool nodes)"],
    impossible_now: [`a worker with ${needs.gpusPerNode} GPUs and ${needs.cpusPerNode} CPUs`, smaller],
    cordoned: ["the admin: verlpool node uncordon, once the node is in order"],
    storage_low: ["room on the shared storage: verlpool clean, or fewer checkpoints"],
    head_lost: ["Ray's head; it is started again by itself where verlpool supervises it (verlpool status)"],
    quarantine: ["the end of the silent attempt before it; the admin can vouch for it: verlpool attempt declare-dead"],
    no_node_with_env: ["a node that has the Python environment of its profile"],
    exclusive: ["the end of the other task; a profile that is known to be safe beside others"],
  };
  return advice[waiting.code] ?? [];
}

export function gang({ nodes, gpusPerNode }: Task["needs"]): string {
  return nodes === 1 ? `${gpusPerNode} ${gpusPerNode === 1 ? "GPU" : "GPUs"} of one node` : `${nodes} × ${gpusPerNode} GPUs`;
}
