/** What a task's events tell that somebody should look at: its alerts, and why it counts as stalled. */
import type { Task, TaskEvent } from "../domain/types.ts";
import type { Store } from "./ports.ts";

const EVENTS_A_PAGE = 500;

export type TaskSigns = {
  /** The newest of each kind, of attempts: what somebody did to the task is no sign of its training. */
  readonly alerts: readonly TaskEvent[];
  /** What was said of the newest stall, also of one that is over. */
  readonly stall: TaskEvent | null;
};

export async function readSigns(store: Store, task: Task): Promise<TaskSigns> {
  const alerts = new Map<string, TaskEvent>();
  let stall: TaskEvent | null = null;
  for (let after = 0; task.attempts > 0;) {
    const page = await store.tasks.events(task.taskId, after, EVENTS_A_PAGE);
    for (const event of page.rows) {
      if (event.type === "alert" && event.attempt !== null) alerts.set(event.reason?.code ?? "", event);
      if (event.type === "stalled") stall = event;
    }
    const last = page.rows.at(-1);
    if (!page.hasMore || last === undefined) break;
    after = last.seq;
  }
  return { alerts: [...alerts.values()], stall };
}
