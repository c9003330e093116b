/** `nodes/<node>.json` and `nodes/<node>.want` of discovery (docs/interfaces.md): what an agent says of its node, and what is wanted of it. Pure. */

export const NODE_STATES = ["searching", "joining", "joined", "leaving", "cordoned", "dirty", "fenced"] as const;

export type NodeState = (typeof NODE_STATES)[number];

export type NodeWhy = { readonly code: string; readonly text: string };

/** One GPU as nvidia-smi shows it; null where the driver does not say. */
export type GpuUsage = {
  readonly index: number;
  readonly uuid: string;
  readonly name: string;
  readonly utilizationPercent: number | null;
  readonly memoryUsedMib: number | null;
  readonly memoryTotalMib: number | null;
};

/** The GPUs of a node on which an attempt holds some. */
export type GpuUse = {
  readonly node: string;
  readonly gpusHeld: number;
  /** All GPUs of the node: Ray does not tell which of them a job got. */
  readonly gpus: readonly GpuUsage[];
  /** Others may use some of them: the attempt holds fewer than there are. */
  readonly isShared: boolean;
  readonly sampledAt: string | null;
};

/** Who writes the file: tells two agents of one name apart, and lets the same host prove that the last one is gone. */
export type NodeAgent = {
  readonly host: string;
  readonly nonce: string;
  readonly pid: number;
  readonly startTicks: number;
  readonly bootId: string;
  /** Pids mean something in one boot and one PID namespace only. */
  readonly pidNamespace: string;
};

export type NodeRecord = {
  readonly node: string;
  /** Moves with every beat: freshness is judged by it, on the reader's own clock. */
  readonly seq: number;
  readonly state: NodeState;
  /** Why it is not `joined`, or what is weak there; null = nothing to say. */
  readonly why: NodeWhy | null;
  readonly address: string | null;
  /** Ray's id of the raylet that is ALIVE there. */
  readonly rayNodeId: string | null;
  readonly session: string | null;
  /** Of the raylet that the agent runs now; jobs see it as VERLPOOL_AGENT_INCARNATION. */
  readonly incarnation: string | null;
  /** The last 64 whose processes the agent has killed and seen gone, newest last. */
  readonly deadIncarnations: readonly string[];
  /** Submission ids whose tagged processes live there. */
  readonly attempts: readonly string[];
  readonly gpus: {
    /** As many as Ray was told. */
    readonly total: number;
    readonly busyPids: readonly number[];
    readonly uuids: readonly string[];
    readonly usage: readonly GpuUsage[];
    /** When `usage` was read. */
    readonly sampledAt: string | null;
  };
  readonly cpus: number;
  readonly shmFreeBytes: number | null;
  readonly diskFreeBytes: number | null;
  /** This node's wall clock less the storage server's, as the times of a fresh file tell. */
  readonly clockOffsetMs: number | null;
  /** What a task should not be launched onto; empty = clean. */
  readonly dirt: readonly NodeWhy[];
  readonly labels: { readonly [name: string]: string };
  readonly containment: string;
  readonly rayVersion: string | null;
  readonly pythonVersion: string | null;
  readonly agentVersion: string;
  readonly agent: NodeAgent;
  readonly at: string;
};

/** What the server wants of a node. A cordoned one stays out of Ray, or leaves it once nothing runs there; so does one that is drained. */
export type NodeWant = {
  readonly cordon: boolean;
  readonly drain: boolean;
  readonly by: string;
  readonly reason: string | null;
  /** GPUs that the cordon follows, whatever the node that holds them is called. */
  readonly gpuUuids: readonly string[];
  readonly at: string;
};

export const NO_WANT: NodeWant = { cordon: false, drain: false, by: "system", reason: null, gpuUuids: [], at: "" };

type Fields = { readonly [key: string]: unknown };

export function isNodeName(text: string): boolean {
  return /^[a-z0-9][a-z0-9.-]{0,62}$/.test(text);
}

export function nodeRecordJson(record: NodeRecord): string {
  const { gpus, agent } = record;
  return JSON.stringify({
    schema: 1,
    node: record.node,
    seq: record.seq,
    state: record.state,
    why: record.why,
    address: record.address,
    ray_node_id: record.rayNodeId,
    session: record.session,
    incarnation: record.incarnation,
    dead_incarnations: record.deadIncarnations,
    attempts: record.attempts,
    gpus: {
      total: gpus.total,
      busy_pids: gpus.busyPids,
      uuids: gpus.uuids,
      usage: gpus.usage.map((gpu) => ({
        index: gpu.index,
        uuid: gpu.uuid,
        name: gpu.name,
        utilization_percent: gpu.utilizationPercent,
        memory_used_mib: gpu.memoryUsedMib,
        memory_total_mib: gpu.memoryTotalMib,
      })),
      sampled_at: gpus.sampledAt,
    },
    cpus: record.cpus,
    shm_free_bytes: record.shmFreeBytes,
    disk_free_bytes: record.diskFreeBytes,
    clock_offset_ms: record.clockOffsetMs,
    dirt: record.dirt,
    labels: record.labels,
    containment: record.containment,
    ray_version: record.rayVersion,
    python_version: record.pythonVersion,
    agent_version: record.agentVersion,
    agent: {
      host: agent.host,
      nonce: agent.nonce,
      pid: agent.pid,
      start_ticks: agent.startTicks,
      boot_id: agent.bootId,
      pid_namespace: agent.pidNamespace,
    },
    at: record.at,
  });
}

/** Null when it is no record of schema 1. Unknown fields are ignored, and an absent one that came later has its empty value. */
export function nodeRecordFrom(value: unknown): NodeRecord | null {
  const record = fieldsOf(value);
  const state = NODE_STATES.find((one) => one === record["state"]);
  const { node, seq, at } = record;
  if (record["schema"] !== 1 || state === undefined || typeof at !== "string") return null;
  if (typeof node !== "string" || !isNodeName(node) || !Number.isSafeInteger(seq)) return null;
  const gpus = fieldsOf(record["gpus"]);
  const agent = fieldsOf(record["agent"]);
  return {
    node,
    seq: seq as number,
    state,
    why: whyOf(record["why"]),
    address: textOf(record["address"]),
    rayNodeId: textOf(record["ray_node_id"]),
    session: textOf(record["session"]),
    incarnation: textOf(record["incarnation"]),
    deadIncarnations: textsOf(record["dead_incarnations"]),
    attempts: textsOf(record["attempts"]),
    gpus: {
      total: countOf(gpus["total"]) ?? 0,
      busyPids: listOf(gpus["busy_pids"]).filter((pid) => typeof pid === "number"),
      uuids: textsOf(gpus["uuids"]),
      usage: listOf(gpus["usage"]).flatMap((gpu) => gpuOf(fieldsOf(gpu))),
      sampledAt: textOf(gpus["sampled_at"]),
    },
    cpus: countOf(record["cpus"]) ?? 0,
    shmFreeBytes: countOf(record["shm_free_bytes"]),
    diskFreeBytes: countOf(record["disk_free_bytes"]),
    clockOffsetMs: numberOf(record["clock_offset_ms"]),
    dirt: listOf(record["dirt"]).flatMap((one) => whyOf(one) ?? []),
    labels: labelsOf(record["labels"]),
    containment: textOf(record["containment"]) ?? "none",
    rayVersion: textOf(record["ray_version"]),
    pythonVersion: textOf(record["python_version"]),
    agentVersion: textOf(record["agent_version"]) ?? "",
    agent: {
      host: textOf(agent["host"]) ?? "",
      nonce: textOf(agent["nonce"]) ?? "",
      pid: countOf(agent["pid"]) ?? 0,
      startTicks: countOf(agent["start_ticks"]) ?? 0,
      bootId: textOf(agent["boot_id"]) ?? "",
      pidNamespace: textOf(agent["pid_namespace"]) ?? "",
    },
    at,
  };
}

export function nodeWantJson(want: NodeWant): string {
  const { cordon, drain, by, reason, gpuUuids, at } = want;
  return JSON.stringify({ schema: 1, cordon, drain, by, reason, gpu_uuids: gpuUuids, at });
}

/** Null when it is no wish of schema 1: an agent then keeps the last one that it could read. */
export function nodeWantFrom(value: unknown): NodeWant | null {
  const want = fieldsOf(value);
  const { cordon, drain } = want;
  if ((want["schema"] ?? 1) !== 1 || typeof cordon !== "boolean" || typeof drain !== "boolean") return null;
  return {
    cordon,
    drain,
    by: textOf(want["by"]) ?? "system",
    reason: textOf(want["reason"]),
    gpuUuids: textsOf(want["gpu_uuids"]),
    at: textOf(want["at"]) ?? "",
  };
}

function gpuOf(gpu: Fields): readonly GpuUsage[] {
  const { index, uuid, name } = gpu;
  if (typeof index !== "number" || typeof uuid !== "string") return [];
  return [
    {
      index,
      uuid,
      name: textOf(name) ?? "",
      utilizationPercent: numberOf(gpu["utilization_percent"]),
      memoryUsedMib: numberOf(gpu["memory_used_mib"]),
      memoryTotalMib: numberOf(gpu["memory_total_mib"]),
    },
  ];
}

function whyOf(value: unknown): NodeWhy | null {
  const { code, text } = fieldsOf(value);
  return typeof code === "string" && typeof text === "string" ? { code, text } : null;
}

function labelsOf(value: unknown): { readonly [name: string]: string } {
  const entries = Object.entries(fieldsOf(value)).filter((entry): entry is [string, string] => typeof entry[1] === "string");
  return Object.fromEntries(entries);
}

function fieldsOf(value: unknown): Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Fields) : {};
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function textsOf(value: unknown): readonly string[] {
  return listOf(value).filter((one) => typeof one === "string");
}

function textOf(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}

function numberOf(value: unknown): number | null {
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}

function countOf(value: unknown): number | null {
  const number = numberOf(value);
  return number !== null && number >= 0 ? number : null;
}
