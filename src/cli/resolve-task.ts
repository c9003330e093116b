/** From what was typed to the task: the server resolves shortened ids, 404 when there is none. */
import type { TaskWire } from "../contract/resources.ts";
import type { Api } from "./client.ts";
import { backoffMs, isTransient, transientText } from "./patience.ts";
import type { Session } from "./session.ts";
import { visible } from "./visible.ts";

export async function resolveTask(api: Api, text: string, signal?: AbortSignal): Promise<TaskWire> {
  const input = { path: { task_id: text }, about: text };
  return (await api.call("getTask", signal === undefined ? input : { ...input, signal })).value;
}

/** A restart of the server is over by then; a wrong address should not wait for ever. */
const RESTART_MS = 30_000;

/** The same for those who then wait anyway: a server that is just restarting is given half a minute. */
export async function resolveThroughRestart(session: Session, api: Api, text: string, signal: AbortSignal): Promise<TaskWire> {
  const { clock, random } = session.world;
  const begun = clock.monotonicMs();
  for (let tries = 0; ; tries += 1) {
    try {
      return await resolveTask(api, text, signal);
    } catch (error) {
      const pause = backoffMs(tries, error, random);
      if (!isTransient(error) || clock.monotonicMs() - begun + pause > RESTART_MS) throw error;
      if (tries === 0)
        await session.say(`the server can't be asked now: ${visible(transientText(error))}; trying for ${RESTART_MS / 1000} s`);
      await clock.sleep(pause, signal);
    }
  }
}
