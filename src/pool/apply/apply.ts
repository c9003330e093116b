/** One round over the hosts of a pool: look, decide, act, look again. Hosts are independent: one that can't be reached keeps no other waiting. */
import type { Clock } from "../../control/ports.ts";
import type { HostsFile, PoolHost } from "../../domain/pool-hosts.ts";
import { answerParts, killScript, probeScript, type ScriptPlan, startScript, stopScript } from "./remote-script.ts";
import { decide, type Decision, type HostSight, sightFrom, stateOf } from "./sight.ts";
import { type RemoteEnd, runOnHost, type Ssh } from "./ssh.ts";

export type ApplyWorld = {
  readonly ssh: Ssh;
  readonly clock: Pick<Clock, "monotonicMs" | "sleep">;
  /** Hex for the marks in a host's answer. */
  readonly mark: () => string;
};

export type HostRow = {
  readonly name: string;
  readonly role: PoolHost["role"];
  /** Whether the host is as the file wants it. */
  readonly ok: boolean;
  readonly state: string;
  /** What this round did; null = nothing. */
  readonly did: string | null;
  readonly why: string | null;
};

export type ApplyChoices = {
  /** Restart a worker with other flags although attempts run there. */
  readonly force: boolean;
  /** Whether a silent agent of this host may be killed now: `watch` waits longer after each kill that did not help. */
  readonly mayKill: (name: string) => boolean;
};

/** At once; each holds one connection. */
const WIDTH = 16;
const PROBE_MS = 60_000;
const START_MS = 90_000;
/** A worker drains for 30 s and then kills what is left. */
const STOP_MS = 200_000;
/** Longer than an agent's beat of 5 s. */
const SECOND_LOOK_MS = 6_000;
/** A killed agent is started again by its supervisor after a second. */
const AFTER_KILL_MS = 3_000;

/** Makes every host run its agent with the flags of the file. */
export function applyRound(world: ApplyWorld, file: HostsFile, choices: ApplyChoices, signal: AbortSignal): Promise<readonly HostRow[]> {
  return eachHost(file, async (host) => {
    const sight = await look(world, file, host, signal);
    const decision = decide(sight, file, host);
    const act = await actOn(world, file, host, sight, decision, choices, signal);
    return rowOf(host, act === null ? sight : await look(world, file, host, signal), act);
  });
}

/** Looks, and touches nothing. */
export function statusRound(world: ApplyWorld, file: HostsFile, signal: AbortSignal): Promise<readonly HostRow[]> {
  return eachHost(file, async (host) => rowOf(host, await look(world, file, host, signal), null));
}

/** Stops every agent; `ok` = it does not run afterwards. */
export function stopRound(world: ApplyWorld, file: HostsFile, signal: AbortSignal): Promise<readonly HostRow[]> {
  return eachHost(file, async (host) => {
    const before = await look(world, file, host, signal);
    if (before.kind !== "seen") return rowOf(host, before, null);
    const failed = before.agent === null ? null : await remote(world, plan(world, file, host), stopScript, STOP_MS, signal);
    const did = before.agent === null ? null : failed === null ? "stopped" : `stop failed: ${failed}`;
    const row = rowOf(host, await look(world, file, host, signal), did);
    return { ...row, ok: row.state === "stopped" };
  });
}

async function actOn(
  world: ApplyWorld,
  file: HostsFile,
  host: PoolHost,
  sight: HostSight,
  decision: Decision,
  choices: ApplyChoices,
  signal: AbortSignal,
): Promise<string | null> {
  const run = (script: (one: ScriptPlan) => string, ms: number): Promise<string | null> =>
    remote(world, plan(world, file, host), script, ms, signal);
  switch (decision.kind) {
    case "none":
      return null;
    case "start": {
      const failed = await run(startScript, START_MS);
      return failed === null ? `started: ${decision.why}` : `start failed: ${failed}`;
    }
    case "restart": {
      const attempts = sight.kind === "seen" ? (sight.beat?.attempts ?? 0) : 0;
      if (attempts > 0 && !choices.force)
        return `not restarted: ${decision.why}, but ${attempts} attempts run there; drain it first (verlpool node drain ${host.name}), or --force`;
      const failed = (await run(stopScript, STOP_MS)) ?? (await run(startScript, START_MS));
      return failed === null ? `restarted: ${decision.why}` : `restart failed: ${failed}`;
    }
    case "suspect": {
      if (!choices.mayKill(host.name)) return `left alone: ${decision.why}, and the last kill did not help`;
      await world.clock.sleep(SECOND_LOOK_MS, signal);
      const again = decide(await look(world, file, host, signal), file, host);
      if (again.kind !== "suspect" || again.seq !== decision.seq || again.pid !== decision.pid) return null;
      const failed = await run((one) => killScript(one, decision.pid), PROBE_MS);
      if (failed === null) await world.clock.sleep(AFTER_KILL_MS, signal);
      return failed === null ? `killed, so that it starts again: ${decision.why}` : `kill failed: ${failed}`;
    }
  }
}

async function look(world: ApplyWorld, file: HostsFile, host: PoolHost, signal: AbortSignal): Promise<HostSight> {
  const one = plan(world, file, host);
  const end = await runOnHost(world.ssh, host.ssh, probeScript(one), PROBE_MS, signal);
  if (end.kind === "unreachable") return end;
  const parts = answerParts(end.stdout, one.mark);
  return parts === null
    ? { kind: "unreachable", why: `the host's shell did not run the script: ${lastLine(end)}` }
    : sightFrom(parts, host);
}

/** Null when it went well, else why not. */
async function remote(
  world: ApplyWorld,
  one: ScriptPlan,
  script: (plan: ScriptPlan) => string,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<string | null> {
  const end = await runOnHost(world.ssh, one.host.ssh, script(one), timeoutMs, signal);
  if (end.kind === "unreachable") return end.why;
  const code = answerParts(end.stdout, one.mark)?.get("code");
  return code === "0" ? null : lastLine(end);
}

function lastLine(end: Extract<RemoteEnd, { readonly kind: "ended" }>): string {
  const lines = `${end.stdout}\n${end.stderr}`.split("\n").filter((line) => line.trim() !== "");
  return lines.at(-1)?.slice(0, 300) ?? `exit code ${end.code}`;
}

function plan(world: ApplyWorld, file: HostsFile, host: PoolHost): ScriptPlan {
  return { file, host, mark: world.mark() };
}

function rowOf(host: PoolHost, sight: HostSight, did: string | null): HostRow {
  const { ok, state, why } = stateOf(sight);
  const failed = did !== null && /^[a-z ]*(failed|not restarted|left alone)/.test(did);
  return { name: host.name, role: host.role, ok: ok && !failed, state, did, why };
}

/** The rows in the file's order. */
async function eachHost(file: HostsFile, one: (host: PoolHost) => Promise<HostRow>): Promise<readonly HostRow[]> {
  const rows = new Map<string, HostRow>();
  const waiting = [...file.hosts];
  const lane = async (): Promise<void> => {
    for (let host = waiting.shift(); host !== undefined; host = waiting.shift()) rows.set(host.name, await one(host));
  };
  await Promise.all(Array.from({ length: Math.min(WIDTH, waiting.length) }, lane));
  return file.hosts.flatMap((host) => rows.get(host.name) ?? []);
}
