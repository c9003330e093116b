/** `verlpool start server|head|worker`: the foreground command, detached and supervised. */
import { spawn } from "node:child_process";
import { mkdirSync, openSync, readFileSync, closeSync, statSync } from "node:fs";
import type { AgentOptions, OutputStream } from "../../cli/world.ts";
import { isAlive } from "../../pool/process-record.ts";
import { logTail } from "../../pool/ray-process.ts";
import { clock } from "../clock.ts";
import { sendEnvironment, shownEnvironment } from "../local/hidden-environment.ts";
import type { Environment } from "../load-config.ts";
import { self } from "../self.ts";
import { type AgentId, type AgentPlaces, agentIdOf, agentPlacesOf } from "./agent-places.ts";
import { type AgentRecord, lifeOf, readAgentRecord } from "./agent-record.ts";
import type { SupervisePlan } from "./supervisor.ts";

const START_DEADLINE_MS = 60_000;
const LOOK_EVERY_MS = 100;
/** Head and worker say that they are ready elsewhere (`verlpool nodes`); what is wrong with their flags shows within this. */
const STANDS_AFTER_MS = 3_000;
const LISTENING = /verlpool: listening on (\S+)/;

/** Idempotent: an agent that runs with the same flags is success. */
export async function startCommand(
  options: AgentOptions,
  environment: Environment,
  stderr: OutputStream,
  signal: AbortSignal,
): Promise<number> {
  if (process.platform !== "linux") throw new Error(`\`start ${options.role}\` needs Linux: run \`verlpool ${options.role}\` instead`);
  const id = agentIdOf(options, environment);
  const places = agentPlacesOf(id);
  const say = (text: string): Promise<void> => stderr.write(`verlpool: ${text}\n`);
  const plan: SupervisePlan = { ...id, argv: [options.role, ...options.argv] };
  const before = readAgentRecord(places.recordFile);
  if (before !== null && isAlive(before.supervisor)) return runsAlready(before, plan, say);
  mkdirSync(places.dir, { recursive: true, mode: 0o700 });
  const offset = sizeOf(places.outputFile);
  // Its supervisor was killed, it was not: a new one takes it over as it is.
  const adopted = before !== null && lifeOf(before) === "unsupervised" ? (before.agent?.pid ?? null) : null;
  const pid = detach(plan, places, environment);
  const record = await settled(places, { offset, supervisor: pid, adopted }, signal);
  if (record === null) {
    await say(`${id.name} did not start within ${START_DEADLINE_MS / 1000} s; see ${places.outputFile}\n${logTail(places.outputFile, 15)}`);
    return 1;
  }
  return tell(id, places, record, offset, say);
}

async function runsAlready(record: AgentRecord, plan: SupervisePlan, say: (text: string) => Promise<void>): Promise<number> {
  const isSame = JSON.stringify(record.argv) === JSON.stringify(plan.argv);
  const pid = record.agent?.pid ?? record.supervisor.pid;
  if (isSame) {
    await say(`${plan.name} runs already (pid ${pid})`);
    return 0;
  }
  await say(
    `${plan.name} runs already (pid ${pid}), but with other flags: ${record.argv.join(" ")}\nstop it first: verlpool stop ${plan.role}`,
  );
  return 1;
}

function detach(plan: SupervisePlan, places: AgentPlaces, environment: Environment): number | undefined {
  const out = openSync(places.outputFile, "a", 0o600);
  const { command, args } = self("internal", "supervise", JSON.stringify(plan));
  const child = spawn(command, args, { detached: true, stdio: ["pipe", out, out], cwd: "/", env: shownEnvironment(environment) });
  closeSync(out);
  child.once("error", () => undefined);
  if (child.stdin !== null) sendEnvironment(child.stdin, environment);
  child.unref();
  return child.pid;
}

/** The record once it stands: the server listens, another agent has lasted a while, or it failed. Null at the deadline. */
async function settled(
  places: AgentPlaces,
  { offset, supervisor, adopted }: { readonly offset: number; readonly supervisor: number | undefined; readonly adopted: number | null },
  signal: AbortSignal,
): Promise<AgentRecord | null> {
  const start = clock.monotonicMs();
  let standing = -1;
  let since = start;
  while (clock.monotonicMs() - start < START_DEADLINE_MS) {
    const record = readAgentRecord(places.recordFile);
    const life = record === null ? "dead" : lifeOf(record);
    // A record of an earlier supervisor is not yet ours.
    const isOurs = record !== null && (record.supervisor.pid === supervisor || isAlive(record.supervisor));
    if (record !== null && isOurs) {
      // Ended, but not yet told: the record says why in a moment.
      if (record.state === "failed" || record.state === "waiting") return record;
      const agent = record.agent?.pid ?? -1;
      if (agent !== standing) since = clock.monotonicMs();
      standing = agent;
      const isReady =
        agent === adopted ||
        (record.role === "server" ? listeningSince(places, offset) !== null : clock.monotonicMs() - since > STANDS_AFTER_MS);
      if (life === "runs" && isReady) return record;
    }
    await clock.sleep(LOOK_EVERY_MS, signal);
  }
  return null;
}

async function tell(
  id: AgentId,
  places: AgentPlaces,
  record: AgentRecord,
  offset: number,
  say: (text: string) => Promise<void>,
): Promise<number> {
  const life = lifeOf(record);
  if (life === "failed" || life === "waits") {
    const next = life === "failed" ? "it is not tried again" : "it is tried again until `verlpool stop`";
    await say(
      `${id.name} ended at once (${record.last_end?.text ?? "no reason known"}); ${next}:\n${outputSince(places, offset).trimEnd()}`,
    );
    return 1;
  }
  const url = id.role === "server" ? listeningSince(places, offset) : null;
  await say(`${id.name} runs (pid ${record.agent?.pid ?? "?"}${url === null ? "" : `, ${url}`}); log: ${places.logFile}`);
  return 0;
}

function listeningSince(places: AgentPlaces, offset: number): string | null {
  return LISTENING.exec(outputSince(places, offset))?.[1] ?? null;
}

function outputSince(places: AgentPlaces, offset: number): string {
  try {
    return readFileSync(places.outputFile).subarray(offset).toString("utf8");
  } catch {
    return "";
  }
}

function sizeOf(path: string): number {
  try {
    return statSync(path).size;
  } catch {
    return 0;
  }
}
