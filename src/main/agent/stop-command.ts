/** `verlpool stop server|head|worker`: ends what `start` recorded, and nothing else. */
import type { AgentOptions, OutputStream } from "../../cli/world.ts";
import { isAlive, signalProcess } from "../../pool/process-record.ts";
import { clock } from "../clock.ts";
import type { Environment } from "../load-config.ts";
import { agentIdOf, agentPlacesOf } from "./agent-places.ts";
import { type AgentRecord, readAgentRecord, removeAgentRecord } from "./agent-record.ts";

/** A worker drains for 30 s and then kills what is left; longer than this is broken. */
const STOP_DEADLINE_MS = 180_000;
const LOOK_EVERY_MS = 100;

/** Idempotent: nothing running is success. */
export async function stopCommand(
  options: AgentOptions,
  environment: Environment,
  stderr: OutputStream,
  signal: AbortSignal,
): Promise<number> {
  const id = agentIdOf(options, environment);
  const { recordFile } = agentPlacesOf(id);
  const record = readAgentRecord(recordFile);
  if (record === null) {
    await stderr.write(`verlpool: no ${id.name} of ${id.root} runs here\n`);
    return 0;
  }
  const left = await stopAgent(record, signal);
  if (left === null) removeAgentRecord(recordFile);
  await stderr.write(left === null ? `verlpool: ${id.name} is stopped\n` : `verlpool: ${left}; look at ${record.log}\n`);
  return left === null ? 0 : 1;
}

/** Null once supervisor and agent have ended; else what still lives after the deadline. */
export async function stopAgent(record: AgentRecord, signal: AbortSignal): Promise<string | null> {
  const { supervisor, agent } = record;
  const start = clock.monotonicMs();
  // The supervisor passes it on; without one, the agent itself is asked.
  if (isAlive(supervisor)) signalProcess(supervisor, "SIGTERM", "process");
  else if (agent !== null) signalProcess(agent, "SIGTERM", "process");
  for (;;) {
    const living = [supervisor, ...(agent === null ? [] : [agent])].filter((one) => isAlive(one));
    if (living.length === 0) return null;
    if (clock.monotonicMs() - start > STOP_DEADLINE_MS)
      return `${record.name} does not end (pid ${living.map((one) => one.pid).join(", ")})`;
    await clock.sleep(LOOK_EVERY_MS, signal);
  }
}
