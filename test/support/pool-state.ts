/** What an onlooker sees of a pool under test: head.json, Ray's own list of nodes, the processes of each host; and what is wrong with it. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { nodesAnswer, readJson, versionAnswer } from "../../src/ray/jobs-schema.ts";
import { createRayHttp, type RayHttp } from "../../src/ray/ray-http.ts";
import { readHeadFile } from "../../src/storage/head-file.ts";
import { parseNodeFile } from "../../src/storage/node-file.ts";
import type { HeadRecord } from "../../src/domain/head-record.ts";
import { type HostProcess, identity, named, orphansOf, processesOf } from "./host-processes.ts";
import type { PoolHost, PoolWorld } from "./pool-world.ts";
import { realClock } from "./real-ray.ts";

const ALIVE = "/api/v0/nodes?filter_keys=state&filter_predicates=%3D&filter_values=ALIVE&limit=10000&detail=true";
const LOOK_MS = 200;
/** Three beats. */
const BEAT_MS = 15_000;
const quiet = new AbortController().signal;

export type RayNode = { readonly id: string; readonly address: string };

export type PoolEye = {
  /** The last head.json that could be believed; null = none yet. */
  readonly head: () => HeadRecord | null;
  /** When head.json last told of another head, or of another memory or address of the same one, by `performance.now()`. */
  readonly headSince: () => number;
  /** A change of this is a new head.json. */
  readonly headKey: () => string;
  /** When it last beat. */
  readonly headBeat: () => number;
  /** Null = Ray does not answer at the address of head.json. */
  readonly rayNodes: () => Promise<readonly RayNode[] | null>;
  readonly http: RayHttp;
  /** Hosts that had two raylets at one time, since the last call. */
  readonly takeDoubles: () => readonly string[];
  readonly close: () => Promise<void>;
};

/** Looks five times a second until it is closed. */
export function watchPool(world: PoolWorld): PoolEye {
  let head: HeadRecord | null = null;
  let since = 0;
  let beat = 0;
  let doubles = new Set<string>();
  const seen = new Set<string>();
  const closing = new AbortController();
  const http = createRayHttp({ baseUrl: () => head?.dashboardUrl ?? null, tokenFile: () => world.tokenFile });

  function look(): void {
    const reading = readHeadFile(join(world.discoveryDir, "head.json"), { uid: world.uid, key: null });
    if (reading.kind === "ok" && !reading.head.released) {
      if (head === null || keyOf(head) !== keyOf(reading.head)) since = performance.now();
      if (head?.seq !== reading.head.seq) beat = performance.now();
      head = reading.head;
    }
    for (const [host, processes] of processesOf(world.hosts())) {
      const raylets = named("raylet", processes).map((process) => identity(process));
      // What a raylet forks has its name until it runs its own program: only what is there at two looks counts.
      if (raylets.filter((one) => seen.has(one)).length > 1) doubles.add(host.name);
      for (const one of raylets) seen.add(one);
    }
  }

  async function watch(): Promise<void> {
    while (!closing.signal.aborted) {
      look();
      await realClock.sleep(LOOK_MS, closing.signal).catch(() => undefined);
    }
  }

  const over = watch();
  return {
    head: () => head,
    headSince: () => since,
    headBeat: () => beat,
    headKey: () => (head === null ? "" : keyOf(head)),
    http,
    rayNodes: async () => {
      const answer = await http.call({ method: "GET", path: ALIVE, body: null, maxBytes: 1 << 24 }, quiet);
      const listed = answer.kind === "answer" && answer.status === 200 ? readJson(nodesAnswer, answer.text) : null;
      return listed?.data.result.result.map(({ node_id, node_ip }) => ({ id: node_id, address: node_ip ?? "" })) ?? null;
    },
    takeDoubles: () => {
      const seen = [...doubles];
      doubles = new Set();
      return seen;
    },
    close: async () => {
      closing.abort();
      await over;
      await http.close();
    },
  };
}

/** Everything that keeps the pool from being whole, in words; empty = every agent's host is in Ray once, with one raylet and no orphan. */
export async function troublesOf(world: PoolWorld, eye: PoolEye): Promise<readonly string[]> {
  const head = eye.head();
  if (head === null) return ["there is no head.json"];
  if (performance.now() - eye.headBeat() > BEAT_MS) return [`head.json of epoch ${head.epoch} does not beat`];
  const version = await eye.http.call({ method: "GET", path: "/api/version", body: null, maxBytes: 65_536 }, quiet);
  const session = version.kind === "answer" ? readJson(versionAnswer, version.text)?.session_name : null;
  if (session !== head.session) return [`at ${head.dashboardUrl} answers session ${session}, head.json says ${head.session}`];
  const nodes = await eye.rayNodes();
  if (nodes === null) return ["Ray does not list its nodes"];
  return [...processesOf(world.hosts())].flatMap(([host, processes]) => hostTroubles(world, host, processes, head, nodes));
}

function hostTroubles(
  world: PoolWorld,
  host: PoolHost,
  processes: readonly HostProcess[],
  head: HeadRecord,
  nodes: readonly RayNode[],
): readonly string[] {
  const agent = world.agents().find((one) => one.host.name === host.name);
  const isHead = head.address.startsWith(`${host.address}:`);
  const wanted = isHead || agent?.role === "worker" ? 1 : 0;
  const troubles = agent?.role === "worker" ? recordTroubles(world, host, head) : [];
  const expect = (what: string, found: number, right: number): void => {
    if (found !== right) troubles.push(`${host.name} has ${found} ${what} instead of ${right}`);
  };
  expect("nodes alive in Ray", nodes.filter(({ address }) => address === host.address).length, wanted);
  expect("raylets", named("raylet", processes).length, wanted);
  expect("GCS servers", named("gcs_server", processes).length, isHead ? 1 : 0);
  for (const orphan of orphansOf(host, processes))
    troubles.push(`${host.name} has an orphan: ${identity(orphan)} ${orphan.argv.slice(0, 120)}`);
  return troubles;
}

/** What the agent says of its node. */
function recordTroubles(world: PoolWorld, host: PoolHost, head: HeadRecord): string[] {
  const record = parseNodeFile(bytesOf(join(world.discoveryDir, "nodes", `${host.name}.json`)));
  if (record === null) return [`${host.name} has no record`];
  if (record.state === "joined" && record.session === head.session) return [];
  return [`${host.name} says that it is ${record.state} to ${record.session}: ${record.why?.text ?? "without a reason"}`];
}

function bytesOf(file: string): Uint8Array {
  try {
    return readFileSync(file);
  } catch {
    return new Uint8Array();
  }
}

/** Resolves with the moment at which it was whole; throws with all that is wrong. */
export async function whole(world: PoolWorld, eye: PoolEye, withinMs: number, also: () => readonly string[] = () => []): Promise<number> {
  const deadline = performance.now() + withinMs;
  for (;;) {
    const troubles = [...(await troublesOf(world, eye)), ...also()];
    if (troubles.length === 0) return performance.now();
    if (performance.now() > deadline) throw new Error(`the pool is not whole after ${withinMs} ms:\n${troubles.join("\n")}`);
    await realClock.sleep(LOOK_MS, quiet);
  }
}

/** Which raylet runs there: changes with every start. */
export function rayletOf(host: PoolHost): string {
  return named("raylet", processesOf([host]).get(host) ?? [])
    .map(identity)
    .join(", ");
}

function keyOf({ epoch, session, address, owner }: HeadRecord): string {
  return [epoch, session, address, owner.nonce].join(" ");
}
