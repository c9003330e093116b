/** `internal supervise`: the small process behind `verlpool start`, which starts the foreground command again whenever it ends. */
import { spawn } from "node:child_process";
import { closeSync, mkdirSync, openSync } from "node:fs";
import { lockPool } from "../../pool/pool-lock.ts";
import { isAlive, recordProcess, signalProcess, type ProcessRecord } from "../../pool/process-record.ts";
import { clock, random } from "../clock.ts";
import { sendEnvironment, shownEnvironment } from "../local/hidden-environment.ts";
import type { Environment } from "../load-config.ts";
import { self } from "../self.ts";
import { type AgentId, type AgentPlaces, agentPlacesOf } from "./agent-places.ts";
import { type AgentRecord, readAgentRecord, removeAgentRecord, writeAgentRecord } from "./agent-record.ts";
import { LOG_LIMITS, shipLog } from "./shipped-log.ts";
import { type End, type Running, supervise, type SuperviseState } from "./supervise.ts";

export type SupervisePlan = AgentId & {
  /** The foreground command with its flags: `["server", "--root", …]`. */
  readonly argv: readonly string[];
};

const USAGE = 2;
const LOOK_EVERY_MS = 500;
/** How long a hung mount may hold up the end. */
const LAST_SHIP_MS = 5_000;

/** Resolves with the exit code once the agent has ended for good: asked by the signal (0), or refused at its first start (1). */
export async function runSupervisor(plan: SupervisePlan, environment: Environment, signal: AbortSignal): Promise<number> {
  const places = agentPlacesOf(plan);
  mkdirSync(places.dir, { recursive: true, mode: 0o700 });
  const lock = await lockPool(places.dir);
  // Another supervisor of this agent was faster.
  if (lock === null) return 0;
  const supervisor = recordProcess("supervisor", process.pid);
  if (supervisor === null) throw new Error("the start time of this very process can't be read from /proc");
  const earlier = readAgentRecord(places.recordFile);
  const left = earlier?.agent ?? null;
  let record = baseRecord(plan, places, supervisor);
  const shipping = new AbortController();
  const shipped = shipLog({ ...places, limits: LOG_LIMITS }, clock, shipping.signal);
  const outcome = await supervise<ProcessRecord>(
    {
      adopted: left !== null && isAlive(left) ? watched(left) : null,
      start: () => startAgent(plan, places, environment),
      onState: (state) => writeAgentRecord(places.recordFile, (record = { ...record, ...fieldsOf(state, record) })),
      clock,
      random,
    },
    signal,
  );
  shipping.abort();
  await Promise.race([shipped, clock.sleep(LAST_SHIP_MS, new AbortController().signal)]);
  if (outcome === "stopped") removeAgentRecord(places.recordFile);
  await lock.release();
  return outcome === "stopped" ? 0 : 1;
}

function baseRecord(plan: SupervisePlan, places: AgentPlaces, supervisor: ProcessRecord): AgentRecord {
  return {
    schema: 1,
    role: plan.role,
    name: plan.name,
    root: plan.root,
    cluster: plan.cluster,
    argv: [...plan.argv],
    supervisor,
    agent: null,
    state: "running",
    since: new Date(clock.now()).toISOString(),
    restarts: 0,
    last_end: null,
    next_start_at: null,
    log: places.logFile,
  };
}

type Changing = Pick<AgentRecord, "agent" | "state" | "restarts" | "last_end" | "next_start_at">;

function fieldsOf(state: SuperviseState<ProcessRecord>, before: AgentRecord): Changing {
  const now = clock.now();
  const hasEnded = state.kind === "waiting" || state.kind === "failed";
  return {
    state: state.kind,
    agent: hasEnded ? null : state.process,
    restarts: state.restarts,
    last_end: hasEnded ? { at: new Date(now).toISOString(), text: state.last.text } : before.last_end,
    next_start_at: state.kind === "waiting" ? new Date(now + state.waitMs).toISOString() : null,
  };
}

/** In a session of its own: what ends the supervisor does not end the agent. Its secrets come over stdin, not in /proc/PID/environ. */
function startAgent(plan: SupervisePlan, places: AgentPlaces, environment: Environment): Running<ProcessRecord> {
  const out = openSync(places.outputFile, "a", 0o600);
  const { command, args } = self("internal", "foreground", ...plan.argv);
  const child = spawn(command, args, { detached: true, stdio: ["pipe", out, out], cwd: "/", env: shownEnvironment(environment) });
  closeSync(out);
  const ended = new Promise<End>((resolve) => {
    child.once("error", (error) => resolve({ text: `could not be started: ${error.message}`, isUsage: false }));
    child.once("exit", (code, signal) =>
      resolve({ text: signal === null ? `exit code ${code}` : `ended by ${signal}`, isUsage: code === USAGE }),
    );
  });
  if (child.stdin !== null) sendEnvironment(child.stdin, environment);
  const record = child.pid === undefined ? null : recordProcess(plan.name, child.pid);
  return { record, ended, stop: () => record !== null && signalProcess(record, "SIGTERM", "process") };
}

/** No child of ours, so its end is looked for. */
function watched(record: ProcessRecord): Running<ProcessRecord> {
  const untilGone = async (): Promise<End> => {
    while (isAlive(record)) await clock.sleep(LOOK_EVERY_MS, new AbortController().signal);
    return { text: "ended while it was watched from outside", isUsage: false };
  };
  return { record, ended: untilGone(), stop: () => signalProcess(record, "SIGTERM", "process") };
}
