/** What discovery and Ray show of the pool, and the file that proves that a worker and this machine see one storage. */
import { existsSync, lstatSync, readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Settings } from "../../config/settings.ts";
import type { RayJobs } from "../../control/ports.ts";
import type { Check } from "../../domain/doctor/check.ts";
import {
  type HeadFacts,
  judgeDoor,
  judgeHead,
  judgeNodes,
  judgeVersions,
  judgeWorkerFile,
  type NodeFacts,
  type WorkerFileFacts,
} from "../../domain/doctor/pool-checks.ts";
import { createRayCluster } from "../../ray/cluster-client.ts";
import { createRayJobs } from "../../ray/jobs-client.ts";
import { createDoorCheck } from "../../ray/ray-door.ts";
import { createRayHttp } from "../../ray/ray-http.ts";
import { discoveryDir, discoveryFile, readHeadFile } from "../../storage/head-file.ts";
import { NODE_FILE_BYTES, parseNodeFile } from "../../storage/node-file.ts";
import { clock, ids } from "../clock.ts";
import { VERSION } from "../version.ts";
import type { Peer } from "./ask-peers.ts";
import type { FileAnswer } from "./peer.ts";

const JOB_MS = 90_000;
const LOOK_MS = 500;
/** Ray makes a ghost record of a job that is deleted sooner (docs of Ray facts: 1.5 s, ray issue 65251). */
const BEFORE_DELETE_MS = 2_000;
const DEADLINES = { connectMs: 3_000, totalMs: 10_000 };
const WORD = /^[A-Za-z0-9_./@%+=:,-]+$/;

export type PoolScope = {
  readonly settings: Settings;
  readonly scratch: string;
  readonly peer: Peer;
  readonly uid: number;
  /** Now, by the clock that gives files their times. */
  readonly storageNowMs: number;
  readonly withJob: boolean;
};

export async function poolFindings(scope: PoolScope, signal: AbortSignal): Promise<readonly Check[]> {
  const { settings, storageNowMs, uid } = scope;
  const head = headFacts(settings, storageNowMs, uid);
  const nodes = nodeFacts(join(discoveryDir(settings.sharedRoot, settings.cluster), "nodes"), storageNowMs);
  const url = settings.rayAddress ?? (head.kind === "ok" && !head.released ? head.dashboardUrl : null);
  const checks = [...(settings.rayAddress === null ? judgeHead(head) : []), ...judgeNodes(nodes), ...judgeVersions(head, nodes, VERSION)];
  if (url === null) return [...checks, ...judgeWorkerFile({ kind: "unproven", why: "there is no head to ask" }, uid)];
  const open = createRayHttp({ baseUrl: () => url, tokenFile: () => null }, DEADLINES);
  const http = createRayHttp({ baseUrl: () => url, tokenFile: () => tokenFileOf(settings) }, DEADLINES);
  try {
    const door = await createDoorCheck(open)(signal);
    const file: WorkerFileFacts = scope.withJob
      ? await workerFile(scope, createRayJobs(http), () => nodeNames(http, url), signal)
      : { kind: "unproven", why: "--no-job was given" };
    return [...checks, ...judgeDoor(door), ...judgeWorkerFile(file, uid)];
  } finally {
    await Promise.all([open.close(), http.close()]);
  }
}

type Head = HeadFacts & { readonly dashboardUrl?: string };

function headFacts(
  settings: Settings,
  storageNowMs: number,
  uid: number,
): Head & ({ readonly kind: "ok"; readonly dashboardUrl: string } | { readonly kind: Exclude<HeadFacts["kind"], "ok"> }) {
  const path = discoveryFile(settings.sharedRoot, settings.cluster, "head.json");
  const key = settings.discoveryKeyFile === null ? null : readFileSync(settings.discoveryKeyFile, "utf8").trim();
  const reading = readHeadFile(path, { uid, key });
  switch (reading.kind) {
    case "absent":
      return { kind: "absent" };
    case "unreadable":
      return { kind: "unreadable", why: reading.why };
    case "starting":
      return { kind: "starting", host: reading.beat.owner.host };
    case "ok": {
      const { owner, address, released, rayVersion, pythonVersion, dashboardUrl } = reading.head;
      const ageMs = storageNowMs - statSync(path).mtimeMs;
      return { kind: "ok", host: owner.host, address, released, ageMs, rayVersion, pythonVersion, dashboardUrl };
    }
  }
}

function nodeFacts(directory: string, storageNowMs: number): readonly NodeFacts[] {
  if (!existsSync(directory)) return [];
  return readdirSync(directory).flatMap((name): readonly NodeFacts[] => {
    const path = join(directory, name);
    const stats = lstatSync(path);
    if (!name.endsWith(".json") || !stats.isFile() || stats.size !== NODE_FILE_BYTES) return [];
    const record = parseNodeFile(readFileSync(path));
    if (record === null) return [];
    const { node, state, rayVersion, pythonVersion, agentVersion, clockOffsetMs, containment } = record;
    const why = record.why?.text ?? null;
    return [{ node, state, why, ageMs: storageNowMs - stats.mtimeMs, rayVersion, pythonVersion, agentVersion, clockOffsetMs, containment }];
  });
}

/** Its own, or the one that a head keeps beside head.json. */
function tokenFileOf(settings: Settings): string | null {
  const kept = join(discoveryDir(settings.sharedRoot, settings.cluster), "ray-token");
  return settings.rayTokenFile ?? (existsSync(kept) ? kept : null);
}

async function nodeNames(http: ReturnType<typeof createRayHttp>, url: string): Promise<ReadonlyMap<string, string>> {
  const cluster = createRayCluster(
    http,
    () => null,
    () => url,
  );
  const views = await cluster.nodes(AbortSignal.timeout(DEADLINES.totalMs)).catch(() => []);
  return new Map(views.map(({ rayNodeId, node }) => [rayNodeId, node]));
}

/** A job of one `printf` on any worker: no GPU, no CPU, a moment. */
async function workerFile(
  { settings, scratch, peer }: PoolScope,
  jobs: RayJobs,
  names: () => Promise<ReadonlyMap<string, string>>,
  signal: AbortSignal,
): Promise<WorkerFileFacts> {
  const there = `${settings.workerRoot}${scratch.slice(settings.sharedRoot.length)}/worker.txt`;
  if (!WORD.test(there)) return { kind: "unproven", why: `${there} is no plain word for a shell` };
  const nonce = ids.hex(16);
  const submissionId = `verlpool-doctor-${ids.hex(6)}`;
  const submitted = await jobs.submit(
    { submissionId, entrypoint: `umask 077; printf %s ${nonce} > ${there}`, envVars: {}, metadata: {}, resources: { worker_node: 0.001 } },
    signal,
  );
  if (submitted.kind === "unknown") return { kind: "unproven", why: `Ray did not take a job: ${submitted.error}` };
  const job = await ended(jobs, submissionId, signal);
  if (job === null) {
    await jobs.stop(submissionId, signal);
    return { kind: "unproven", why: `no worker ran a job within ${JOB_MS / 1000} s` };
  }
  const node = job.nodeId === null ? "a worker" : ((await names()).get(job.nodeId) ?? "a worker");
  await clock.sleep(BEFORE_DELETE_MS, signal);
  await jobs.remove(submissionId, signal);
  const found = await peer.ask<FileAnswer>({ op: "file", path: `${scratch}/worker.txt` });
  if (found === null) return { kind: "not_seen", node, path: `${scratch}/worker.txt` };
  return { kind: "seen", node, uid: found.uid, mode: found.mode, isSame: found.text === nonce };
}

async function ended(jobs: RayJobs, submissionId: string, signal: AbortSignal): Promise<{ readonly nodeId: string | null } | null> {
  const start = clock.monotonicMs();
  while (clock.monotonicMs() - start < JOB_MS) {
    const view = await jobs.get(submissionId, signal);
    if (view.kind === "found" && ["SUCCEEDED", "FAILED", "STOPPED"].includes(view.status)) return { nodeId: view.nodeId };
    await clock.sleep(LOOK_MS, signal);
  }
  return null;
}
