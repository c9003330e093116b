/** What a look at a host showed, and what follows from it. Pure: the look itself is `probeScript`. */
import { agentCommand, type HostsFile, type PoolHost } from "../../domain/pool-hosts.ts";
import { envDigest } from "./remote-script.ts";

export type AgentLife = "runs" | "unsupervised" | "waits" | "failed" | "stopping" | "dead";

export type AgentSight = {
  readonly life: AgentLife;
  readonly pid: number | null;
  readonly argv: readonly string[];
  /** How long its supervisor has run, by the host's clock. */
  readonly ageS: number;
  readonly lastEnd: string | null;
};

/** `nodes/<node>.json` of a worker, `head.json` of a head. */
export type BeatSight = {
  readonly seq: number;
  /** Since it was written, by the host's own clock, which wrote it; null = another host wrote it. */
  readonly ageS: number | null;
  /** `joined`, `searching` …; of a head `head`. */
  readonly state: string;
  readonly why: string | null;
  /** Attempts that run there. */
  readonly attempts: number;
  /** Who wrote it; null = it does not say. */
  readonly writer: string | null;
  readonly agentVersion: string | null;
};

export type HostSight =
  | { readonly kind: "unreachable"; readonly why: string }
  | { readonly kind: "missing"; readonly what: "storage" | "program" }
  | {
      readonly kind: "seen";
      readonly agent: AgentSight | null;
      readonly beat: BeatSight | null;
      readonly envDigest: string | null;
      /** Where `current` points to. */
      readonly version: string | null;
    };

export type Decision =
  | { readonly kind: "none" }
  | { readonly kind: "start"; readonly why: string }
  /** Its flags or its environment are others. */
  | { readonly kind: "restart"; readonly why: string }
  /** Its beat is old: look again a little later, and kill it if it has not moved. */
  | { readonly kind: "suspect"; readonly seq: number | null; readonly pid: number; readonly why: string };

/** A reader calls an agent dead after this (docs/interfaces.md, Discovery). */
export const SILENT_S = 30;
/** An agent that has just been started may have to wait for Ray's files before it beats. */
const FIRST_BEAT_S = 90;

export function sightFrom(parts: ReadonlyMap<string, string>, host: PoolHost): HostSight {
  const missing = parts.get("missing");
  if (missing !== undefined) return { kind: "missing", what: missing === "storage" ? "storage" : "program" };
  const nowS = Number(parts.get("now"));
  return {
    kind: "seen",
    agent: agentFrom(parts.get("status") ?? "", host, nowS),
    beat: beatFrom(parts.get("beat") ?? "", host, nowS, parts.get("hostname") ?? ""),
    envDigest: parts.get("env") || null,
    version: parts.get("version")?.replace(/\/+$/, "") || null,
  };
}

/** What makes the host as the file wants it. An agent of an older version goes on: it is none of the reasons. */
export function decide(sight: HostSight, file: HostsFile, host: PoolHost): Decision {
  if (sight.kind !== "seen") return { kind: "none" };
  const { agent, beat } = sight;
  if (agent === null) return { kind: "start", why: "it did not run" };
  if (agent.life === "dead" || agent.life === "failed")
    return { kind: "start", why: `it ${agent.life === "dead" ? "was gone" : "had failed"}` };
  if (agent.life === "unsupervised") return { kind: "start", why: "its supervisor was gone" };
  if (agent.life === "stopping") return { kind: "none" };
  if (JSON.stringify(agent.argv) !== JSON.stringify(agentCommand(file, host))) return { kind: "restart", why: "its flags are others" };
  if ((sight.envDigest ?? "none") !== envDigest(host)) return { kind: "restart", why: "its environment is another one" };
  if (agent.life !== "runs" || agent.pid === null) return { kind: "none" };
  if (beat === null) {
    return agent.ageS > FIRST_BEAT_S
      ? { kind: "suspect", seq: null, pid: agent.pid, why: `no beat in ${Math.round(agent.ageS)} s` }
      : { kind: "none" };
  }
  const age = Math.min(beat.ageS ?? 0, agent.ageS);
  return age > SILENT_S ? { kind: "suspect", seq: beat.seq, pid: agent.pid, why: `silent for ${Math.round(age)} s` } : { kind: "none" };
}

/** Whether the host is as it should be, and what it is in a word or two. */
export function stateOf(sight: HostSight): { readonly ok: boolean; readonly state: string; readonly why: string | null } {
  if (sight.kind === "unreachable") return { ok: false, state: "unreachable", why: sight.why };
  if (sight.kind === "missing") {
    return sight.what === "storage"
      ? { ok: false, state: "no storage", why: "the shared root is not mounted there: mount it" }
      : { ok: false, state: "no program", why: "no common/verlpool/current/verlpool under the root: run `verlpool prepare` once" };
  }
  const { agent, beat } = sight;
  if (agent === null) return { ok: false, state: "stopped", why: null };
  if (agent.life !== "runs") return { ok: false, state: agent.life, why: agent.lastEnd };
  const old = beat?.agentVersion != null && sight.version !== null && !sight.version.startsWith(beat.agentVersion);
  const note = old ? `runs ${beat.agentVersion}; current is ${sight.version}` : null;
  if (beat === null || (beat.ageS !== null && beat.ageS > agent.ageS + SILENT_S)) return { ok: true, state: "started", why: note };
  if (beat.ageS === null) return { ok: true, state: "standby", why: `${beat.writer ?? "another host"} is head` };
  if (beat.ageS > SILENT_S) return { ok: false, state: "silent", why: `for ${Math.round(beat.ageS)} s` };
  return { ok: true, state: beat.state, why: [beat.why, note].filter((text) => text !== null).join("; ") || null };
}

type Fields = { readonly [key: string]: unknown };

function agentFrom(status: string, host: PoolHost, nowS: number): AgentSight | null {
  const name = host.role === "worker" ? `worker-${host.name}` : host.role;
  const agents = listOf(parsed(status)["agents"]).map((one) => fieldsOf(one));
  const agent = agents.find((one) => one["name"] === name);
  if (agent === undefined) return null;
  const { state, pid, argv, since } = agent;
  const lastEnd = fieldsOf(agent["last_end"])["text"];
  return {
    life: isLife(state) ? state : "dead",
    pid: typeof pid === "number" && Number.isSafeInteger(pid) && pid > 1 ? pid : null,
    argv: listOf(argv).filter((word) => typeof word === "string"),
    ageS: ageOf(since, nowS),
    lastEnd: typeof lastEnd === "string" ? lastEnd : null,
  };
}

/** The record is padded and ends in a checksum (node files); a reader of another schema's file takes no beat from it. */
function beatFrom(text: string, host: PoolHost, nowS: number, hostname: string): BeatSight | null {
  const record = parsed(text.slice(0, text.lastIndexOf("}") + 1));
  const { schema, seq } = record;
  if (schema !== 1 || typeof seq !== "number") return null;
  const why = fieldsOf(record["why"])["text"];
  const writer = fieldsOf(record[host.role === "head" ? "owner" : "agent"])["host"];
  const isForeign = host.role === "head" && typeof writer === "string" && writer !== hostname;
  const at = record[host.role === "head" ? "published_at" : "at"];
  const version = record["agent_version"];
  return {
    seq,
    ageS: isForeign ? null : ageOf(at, nowS),
    state: host.role === "head" ? "head" : String(record["state"]),
    why: typeof why === "string" ? why : null,
    attempts: listOf(record["attempts"]).length,
    writer: typeof writer === "string" ? writer : null,
    agentVersion: typeof version === "string" && version !== "" ? version : null,
  };
}

function isLife(value: unknown): value is AgentLife {
  return ["runs", "unsupervised", "waits", "failed", "stopping", "dead"].includes(String(value));
}

/** Seconds since an instant, 0 for one that can't be read or lies ahead. */
function ageOf(instant: unknown, nowS: number): number {
  const age = nowS - Date.parse(String(instant)) / 1000;
  return Number.isFinite(age) ? Math.max(0, age) : 0;
}

function parsed(text: string): Fields {
  try {
    return fieldsOf(JSON.parse(text));
  } catch {
    return {};
  }
}

function fieldsOf(value: unknown): Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Fields) : {};
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
