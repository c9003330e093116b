/** The pool as discovery and Ray show it. Pure. */
import { type Check, fail, ok, warn } from "./check.ts";

export type HeadFacts =
  | { readonly kind: "absent" }
  | { readonly kind: "unreadable"; readonly why: string }
  | { readonly kind: "starting"; readonly host: string }
  | {
      readonly kind: "ok";
      readonly host: string;
      readonly address: string;
      readonly released: boolean;
      /** Since the last beat, by the storage's own clock. */
      readonly ageMs: number;
      readonly rayVersion: string | null;
      readonly pythonVersion: string | null;
    };

const DEAD_MS = 30_000;

export function judgeHead(head: HeadFacts): readonly Check[] {
  const name = "head";
  const start = "start one: verlpool start head";
  if (head.kind === "absent") return [warn(name, "there is no head.json", "tasks wait in the queue until a head is there", start)];
  if (head.kind === "unreadable")
    return [
      fail(
        name,
        `head.json is not believed: ${head.why}`,
        "workers and server keep the last head they knew; a new one finds none",
        "look who wrote it; with no head running, move it away",
      ),
    ];
  if (head.kind === "starting")
    return [warn(name, `the head on ${head.host} is starting`, "Ray does not answer yet", "wait, or look at common/logs/head.log")];
  if (head.released) return [warn(name, `the head on ${head.host} was stopped`, "tasks wait in the queue until a head is there", start)];
  if (head.ageMs > DEAD_MS)
    return [
      fail(
        name,
        `the head on ${head.host} has been silent for ${Math.round(head.ageMs / 1000)} s`,
        "it is dead, or cut off from the storage; another one may take over",
        `look at ${head.host}: verlpool status head; common/logs/head.log`,
      ),
    ];
  return [ok(name, `${head.address} on ${head.host}, beat ${Math.max(0, Math.round(head.ageMs / 1000))} s ago`)];
}

export type NodeFacts = {
  readonly node: string;
  readonly state: string;
  readonly why: string | null;
  readonly ageMs: number;
  readonly rayVersion: string | null;
  readonly pythonVersion: string | null;
  readonly agentVersion: string;
  readonly clockOffsetMs: number | null;
  readonly containment: string;
};

export function judgeNodes(nodes: readonly NodeFacts[]): readonly Check[] {
  const name = "workers";
  if (nodes.length === 0)
    return [warn(name, "no worker has ever reported", "nothing can run", "on each GPU machine: verlpool start worker")];
  const silent = nodes.filter(({ ageMs, state }) => ageMs > DEAD_MS && state !== "leaving");
  const out = nodes.filter(({ ageMs, state }) => ageMs <= DEAD_MS && state !== "joined");
  const checks: Check[] = [];
  if (silent.length > 0)
    checks.push(
      warn(
        name,
        silent.map((one) => `${one.node} is silent for ${Math.round(one.ageMs / 1000)} s`).join("; "),
        "its agent is dead or cut off from the storage; what ran there waits for proof of its end",
        "look at that machine, or: verlpool node forget NODE --reason … when it is gone for good",
      ),
    );
  if (out.length > 0)
    checks.push(
      warn(
        name,
        out.map((one) => `${one.node} is ${one.state}${one.why === null ? "" : ` (${one.why})`}`).join("; "),
        "its GPUs are not in the pool now",
        "verlpool nodes says more; common/logs/worker-NODE.log says all",
      ),
    );
  const behind = nodes.filter(({ clockOffsetMs }) => clockOffsetMs !== null && Math.abs(clockOffsetMs) > 2_000);
  if (behind.length > 0)
    checks.push(
      warn(
        "worker clocks",
        behind.map((one) => `${one.node} is off by ${((one.clockOffsetMs ?? 0) / 1000).toFixed(1)} s`).join("; "),
        "times in its logs don't fit together with others; no interval depends on it",
        "start NTP (chrony, systemd-timesyncd) there",
      ),
    );
  const weak = nodes.filter(({ containment }) => containment === "none");
  if (weak.length > 0)
    checks.push(
      warn(
        "worker namespaces",
        `${weak.map(({ node }) => node).join(", ")} can make no PID namespaces`,
        "what a job starts can outlive its end there, until the agent finds it by its environment",
        "run the container with CAP_SYS_ADMIN, or allow user namespaces on the host",
      ),
    );
  return checks.length > 0 ? checks : [ok(name, `${nodes.length} joined: ${nodes.map(({ node }) => node).join(", ")}`)];
}

/** Ray lets a node join only with its own version and the same Python minor version (ray._private.utils.check_version_info, Ray 2.60). */
export function judgeVersions(head: HeadFacts, nodes: readonly NodeFacts[], ours: string): readonly Check[] {
  const name = "versions";
  if (head.kind !== "ok" || head.rayVersion === null) return [];
  const minor = (version: string | null): string => (version ?? "").split(".").slice(0, 2).join(".");
  const other = nodes.filter(
    (one) =>
      (one.rayVersion !== null && one.rayVersion !== head.rayVersion) ||
      (one.pythonVersion !== null && head.pythonVersion !== null && minor(one.pythonVersion) !== minor(head.pythonVersion)),
  );
  if (other.length > 0)
    return [
      fail(
        name,
        `the head has Ray ${head.rayVersion} and Python ${head.pythonVersion ?? "?"}; ${other.map((one) => `${one.node} has Ray ${one.rayVersion ?? "?"} and Python ${one.pythonVersion ?? "?"}`).join("; ")}`,
        "Ray refuses such a node, or dies on it later",
        "give all of them one Python environment (pool.python), such as the one that `verlpool prepare` makes on the shared storage",
      ),
    ];
  const agents = nodes.filter(({ agentVersion }) => agentVersion !== ours);
  if (agents.length > 0)
    return [
      warn(
        name,
        `${agents.map((one) => `${one.node} runs agent ${one.agentVersion}`).join("; ")}; this is ${ours}`,
        "old agents go on beside a new server; new checks are missing there",
        "restart them when they are idle: verlpool stop worker; verlpool start worker",
      ),
    ];
  return [
    ok(
      name,
      `Ray ${head.rayVersion}, Python ${head.pythonVersion ?? "?"} on head${nodes.length > 0 ? ` and ${nodes.length} workers` : ""}`,
    ),
  ];
}

export type DoorFacts = { readonly kind: "closed" } | { readonly kind: "open" } | { readonly kind: "unknown"; readonly why: string };

export function judgeDoor(door: DoorFacts): readonly Check[] {
  const name = "Ray's door";
  if (door.kind === "closed") return [ok(name, "the dashboard asks for a token")];
  if (door.kind === "unknown")
    return [
      warn(
        name,
        `not known: ${door.why}`,
        "whoever reaches an open dashboard runs code as this user (CVE-2023-48022)",
        "run doctor again where the head can be reached",
      ),
    ];
  return [
    fail(
      name,
      "the dashboard answers without a token",
      "whoever reaches it runs code as this user (CVE-2023-48022)",
      "start the head with `verlpool head` on Ray 2.52 or newer, which sets RAY_AUTH_MODE=token; until then let only the server reach its ports",
    ),
  ];
}

/** `unproven`: there was nothing to prove it with. */
export type WorkerFileFacts =
  | { readonly kind: "unproven"; readonly why: string }
  | { readonly kind: "not_seen"; readonly node: string; readonly path: string }
  | { readonly kind: "seen"; readonly node: string; readonly uid: number; readonly mode: number; readonly isSame: boolean };

export function judgeWorkerFile(file: WorkerFileFacts, uid: number): readonly Check[] {
  const name = "worker's file";
  if (file.kind === "unproven")
    return [
      warn(
        name,
        `could not be tried: ${file.why}`,
        "whether a job's files on a worker are this machine's files is not proven",
        "run doctor again when a head and a worker are there",
      ),
    ];
  if (file.kind === "not_seen")
    return [
      fail(
        name,
        `a file written on ${file.node} is not seen here (${file.path})`,
        "the worker has another storage mounted there: results and logs of its jobs are lost to the server",
        "mount the same share on both, and set pool.worker_root where its path differs",
      ),
    ];
  if (!file.isSame)
    return [
      fail(
        name,
        `a file written on ${file.node} has other content here`,
        "the worker writes to another storage, or this one shows old content",
        "mount the same share on both",
      ),
    ];
  if (file.uid !== uid)
    return [
      fail(
        name,
        `a file written on ${file.node} belongs to uid ${file.uid}, this is uid ${uid}`,
        "the server can't read job directories (mode 0700), and does not believe what agents write",
        "run server, head and workers as one uid; on NFS look at root_squash, all_squash and idmapd",
      ),
    ];
  return [ok(name, `a file written on ${file.node} is read here, with uid ${uid} and mode ${(file.mode & 0o777).toString(8)}`)];
}
