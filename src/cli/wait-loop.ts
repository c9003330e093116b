/** Waits until tasks have ended, through restarts of the server. */
import type { TaskWire } from "../contract/resources.ts";
import type { Api } from "./client.ts";
import { hasEnded } from "./outcome.ts";
import { paintState } from "./output.ts";
import { backoffMs, isTransient, transientText } from "./patience.ts";
import type { Session } from "./session.ts";
import { visible } from "./visible.ts";

const POLL_FIRST_MS = 1000;
const POLL_MOST_MS = 5000;

/** One read that outlives a server that is away; says so once. Null when `untilMs` (monotonic) came first. */
async function readPatiently(session: Session, api: Api, taskId: string, untilMs: number, signal: AbortSignal) {
  const { clock, random } = session.world;
  for (let tries = 0; ; tries += 1) {
    try {
      const { value, raw } = await api.call("getTask", { path: { task_id: taskId }, about: taskId, signal });
      if (tries > 0) await session.say("the server answers again");
      return { task: value, raw };
    } catch (error) {
      if (!isTransient(error, tries)) throw error;
      if (tries === 0) await session.say(`the server can't be asked now: ${visible(transientText(error))}; the task goes on, trying again`);
      const pause = Math.min(backoffMs(tries, error, random), untilMs - clock.monotonicMs());
      if (pause <= 0) return null;
      await clock.sleep(pause, signal);
    }
  }
}

function newsOf(session: Session, task: TaskWire): string {
  const waits = task.waiting === null ? "" : `: ${visible(task.waiting.text)}`;
  const attempt = task.attempts > 1 ? ` (attempt ${task.attempts})` : "";
  return `${visible(task.task_id)}  ${paintState(session.paintTalk, task.state)}${attempt}${waits}`;
}

/** Each task as it was last seen; one that has not ended when `timeoutMs` is over comes back as it stands (null = never seen). */
export async function waitForEnd(
  session: Session,
  api: Api,
  taskIds: readonly string[],
  timeoutMs: number | null,
  onEnd: (task: TaskWire, raw: unknown) => Promise<void>,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, TaskWire | null>> {
  const { clock } = session.world;
  const untilMs = timeoutMs === null ? Number.POSITIVE_INFINITY : clock.monotonicMs() + timeoutMs;
  const seen = new Map<string, TaskWire | null>(taskIds.map((id) => [id, null]));
  const news = new Map<string, string>();
  let open = [...taskIds];
  for (let round = 0; open.length > 0; round += 1) {
    for (const id of open) {
      const answer = await readPatiently(session, api, id, untilMs, signal);
      if (answer === null) return seen;
      const { task, raw } = answer;
      seen.set(id, task);
      if (hasEnded(task.state)) {
        await onEnd(task, raw);
        continue;
      }
      const line = newsOf(session, task);
      if (news.get(id) !== line) await session.say(line);
      news.set(id, line);
    }
    open = open.filter((id) => !hasEnded(seen.get(id)?.state ?? ""));
    const pause = Math.min(POLL_MOST_MS, POLL_FIRST_MS * 1.5 ** Math.min(round, 8), untilMs - clock.monotonicMs());
    if (open.length === 0 || pause <= 0) return seen;
    await clock.sleep(pause, signal);
  }
  return seen;
}
