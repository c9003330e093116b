/** The formats of `control/` and `result.json` (docs/interfaces.md), from untrusted bytes to our nouns. Pure; null = not valid. */
import { crc32 } from "node:zlib";
import type { AttemptResult, Claim, StopWhy } from "../domain/types.ts";

type Fields = { readonly [key: string]: unknown };

const LEASE_BYTES = 256;
const LEASE = /^(([0-9a-z]+) (\d{20}) \d+ (?:running|stopping)) ([0-9a-f]{8}) *\n$/;
const STOP_WHYS: readonly string[] = ["cancel", "superseded", "deadline", "requeue", "stalled"] satisfies StopWhy[];
const CLAIM_WHYS: readonly unknown[] = [null, "cancel", "start_timeout", "ray_lost"] satisfies Claim["why"][];
const CONTAINMENTS: readonly string[] = ["pidns", "userns", "group", "none"] satisfies Claim["containment"][];
const OUTCOMES: readonly string[] = ["exited", "stopped", "self_fenced", "not_started"] satisfies AttemptResult["outcome"][];

export function parseClaim(bytes: Uint8Array): Claim | null {
  const claim = parseRecord(bytes);
  if (claim === null || (claim["by"] !== "launcher" && claim["by"] !== "server") || !CLAIM_WHYS.includes(claim["why"])) return null;
  const { nonce, host, node_id, agent_incarnation, containment, ray_session, at } = claim;
  if (typeof nonce !== "string" || nonce === "" || typeof host !== "string" || typeof at !== "string") return null;
  if (typeof containment !== "string" || !CONTAINMENTS.includes(containment)) return null;
  return {
    by: claim["by"],
    why: claim["why"] as Claim["why"],
    nonce,
    host,
    nodeId: textOrNull(node_id),
    agentIncarnation: textOrNull(agent_incarnation),
    containment: containment as Claim["containment"],
    raySession: textOrNull(ray_session),
    at,
  };
}

/** The claim of the server: it runs nothing, hence no containment. */
export function formatServerClaim(claim: Pick<Claim, "why" | "nonce" | "host" | "at">, pid: number): string {
  const record = {
    schema: 1,
    by: "server",
    why: claim.why,
    nonce: claim.nonce,
    host: claim.host,
    node_id: null,
    agent_incarnation: null,
    boot_id: null,
    pid,
    containment: "none",
    ray_session: null,
    at: claim.at,
  };
  return `${JSON.stringify(record)}\n`;
}

/** The counter's text, when the record is whole and of this claim. A torn write has a bad crc: not read, never "unmoved". */
export function parseLease(bytes: Uint8Array, nonce: string): string | null {
  if (bytes.length !== LEASE_BYTES) return null;
  const [, record, owner, counter, crc] = LEASE.exec(Buffer.from(bytes).toString("latin1")) ?? [];
  if (record === undefined || counter === undefined || owner !== nonce) return null;
  return crc32(record).toString(16).padStart(8, "0") === crc ? counter : null;
}

export function parseStop(bytes: Uint8Array): StopWhy | null {
  const why = parseRecord(bytes)?.["why"];
  return typeof why === "string" && STOP_WHYS.includes(why) ? (why as StopWhy) : null;
}

export function formatStop(why: StopWhy, at: string): string {
  return `${JSON.stringify({ schema: 1, why, at })}\n`;
}

/** Valid only with the nonce of the claim: anybody else's result is none. */
export function parseResult(bytes: Uint8Array, nonce: string): AttemptResult | null {
  const result = parseRecord(bytes);
  if (result === null || result["nonce"] !== nonce) return null;
  const { outcome, exit_code, signal, stop_why, oom_kill, started_at, ended_at, error } = result;
  if (typeof outcome !== "string" || !OUTCOMES.includes(outcome)) return null;
  if (exit_code !== null && !Number.isInteger(exit_code)) return null;
  if (typeof started_at !== "string" || typeof ended_at !== "string") return null;
  return {
    nonce,
    outcome: outcome as AttemptResult["outcome"],
    exitCode: exit_code as number | null,
    signal: textOrNull(signal),
    stopWhy: textOrNull(stop_why),
    oomKill: oom_kill === true,
    startedAt: started_at,
    endedAt: ended_at,
    error: textOrNull(error),
  };
}

/** The schema of a record that a later verlpool wrote; null = it is none. */
export function laterSchema(bytes: Uint8Array): number | null {
  try {
    const { schema } = JSON.parse(new TextDecoder().decode(bytes)) as { readonly schema?: unknown };
    return Number.isSafeInteger(schema) && (schema as number) > 1 ? (schema as number) : null;
  } catch {
    return null;
  }
}

/** A JSON object of schema 1; unknown fields are kept, a higher schema is refused. */
export function parseRecord(bytes: Uint8Array): Fields | null {
  try {
    const value: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes));
    if (typeof value !== "object" || value === null || Array.isArray(value)) return null;
    const fields = value as Fields;
    return fields["schema"] === 1 ? fields : null;
  } catch {
    return null;
  }
}

function textOrNull(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}
