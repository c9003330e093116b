/** What this machine gives. */
import { existsSync, lstatSync, readFileSync, statfsSync } from "node:fs";
import { createServer } from "node:net";
import { dirname } from "node:path";
import type { Settings } from "../../config/settings.ts";
import type { Check } from "../../domain/doctor/check.ts";
import {
  judgeContainment,
  judgeLimits,
  judgePort,
  judgeShm,
  judgeToken,
  type LimitFacts,
  type Listener,
} from "../../domain/doctor/machine-checks.ts";
import { type DatabaseFacts, judgeDatabase, judgeSpace, type SpaceFacts } from "../../domain/doctor/storage-checks.ts";
import { probeContainment } from "../../pool/ray-install.ts";
import { networkFileSystemOf } from "../../store/file-system.ts";
import { sqlitePath } from "../../store/open-store.ts";
import type { Environment } from "../load-config.ts";
import { stateHome } from "../local/places.ts";

const ANSWER_MS = 3_000;

export async function machineFindings(
  settings: Settings,
  environment: Environment,
  uid: number,
  signal: AbortSignal,
): Promise<readonly Check[]> {
  const shm = spaceOf("/dev/shm");
  return [
    ...judgeSpace([settings.sharedRoot, "/tmp", stateHome(environment)].flatMap((path) => spaceOf(nearest(path)) ?? [])),
    ...judgeShm(shm === null ? [] : [{ where: "here", totalBytes: totalOf("/dev/shm"), freeBytes: shm.freeBytes }]),
    ...judgeLimits(limitsFrom(readFileSync("/proc/self/limits", "latin1"))),
    ...judgeContainment(await probeContainment(signal)),
    ...judgePort(settings.port, await listenerOn(settings)),
    ...judgeDatabase(databaseOf(settings.databaseUrl), uid),
    ...judgeToken(settings.adminTokenVariable, environment[settings.adminTokenVariable] ?? ""),
  ];
}

function nearest(path: string): string {
  return existsSync(path) || dirname(path) === path ? path : nearest(dirname(path));
}

function spaceOf(path: string): SpaceFacts | null {
  if (!existsSync(path)) return null;
  const { bavail, bsize, files, ffree } = statfsSync(path);
  // Some file systems (btrfs) count no files.
  return { path, freeBytes: bavail * bsize, freeFiles: files === 0 ? null : ffree };
}

function totalOf(path: string): number {
  const { blocks, bsize } = statfsSync(path);
  return blocks * bsize;
}

/** The soft limits in the text of /proc/self/limits. */
export function limitsFrom(text: string): LimitFacts {
  const soft = (name: string): number => {
    const [, value = "unlimited"] = new RegExp(`^${name} +(\\S+)`, "m").exec(text) ?? [];
    return value === "unlimited" ? Number.POSITIVE_INFINITY : Number(value);
  };
  return { openFiles: soft("Max open files"), processes: soft("Max processes") };
}

async function listenerOn({ host, port, tlsFiles }: Settings): Promise<Listener> {
  if (port === 0) return "free";
  const server = createServer();
  const isFree = await new Promise<boolean>((resolve) => {
    server.once("error", () => resolve(false));
    server.listen(port, host, () => resolve(true));
  });
  await new Promise((resolve) => server.close(resolve));
  if (isFree) return "free";
  if (tlsFiles !== null) return "ours";
  try {
    const at = host === "0.0.0.0" || host === "::" ? "127.0.0.1" : host;
    const answer = await fetch(`http://${at.includes(":") ? `[${at}]` : at}:${port}/readyz`, { signal: AbortSignal.timeout(ANSWER_MS) });
    const body = (await answer.json()) as { readonly checks?: unknown };
    return typeof body.checks === "object" ? "ours" : "stranger";
  } catch {
    return "stranger";
  }
}

function databaseOf(url: string): DatabaseFacts {
  if (/^postgres(ql)?:/.test(url)) return { kind: "postgres" };
  const path = sqlitePath(url);
  if (!existsSync(path)) return { kind: "absent", path };
  const { mode, uid } = lstatSync(path);
  return { kind: "sqlite", path, mode, directoryMode: lstatSync(dirname(path)).mode, uid, network: networkFileSystemOf(path) };
}
