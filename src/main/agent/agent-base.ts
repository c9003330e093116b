/** What every agent of a pool stands on: its log, its way to the shared storage, its Python. */
import { spawn } from "node:child_process";
import { mkdirSync, readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { Settings } from "../../config/settings.ts";
import type { Log } from "../../control/ports.ts";
import { type StorageClient, storageThroughHelpers } from "../../storage/storage-client.ts";
import { clock } from "../clock.ts";
import { createLog } from "../logger.ts";
import { storageHelper } from "../self.ts";
import { LOG_LIMITS, shipLog } from "./shipped-log.ts";

const STORAGE_HELPERS = 4;
const AGAIN_MS = 2_000;
/** How long a hung mount may hold up the end. */
const LAST_SHIP_MS = 3_000;

export type AgentLog = { readonly log: Log; readonly close: () => Promise<void> };

/**
 * Lines go to stderr, and by way of a file in `dir` (this machine's own disk) to `logFile` on the shared storage, rotated. Under `verlpool start` the
 * supervisor carries what we print there, so that nothing is written twice.
 */
export function openAgentLog(level: Settings["logLevel"], dir: string, logFile: string): AgentLog {
  if (process.argv[2] === "internal") return { log: createLog(level), close: () => Promise.resolve() };
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  const output = { outputFile: join(dir, "output.log"), shippedFile: join(dir, "shipped"), logFile, limits: LOG_LIMITS };
  const log = createLog(level, output.outputFile);
  const shipping = new AbortController();
  const shipped = shipLog(output, clock, shipping.signal);
  const close = async (): Promise<void> => {
    shipping.abort();
    await Promise.race([shipped, clock.sleep(LAST_SHIP_MS, new AbortController().signal)]);
  };
  return { log, close };
}

/** Calls run in processes that can be killed, so that a hung mount never stops the agent's clock. */
export function openAgentStorage(settings: Settings): StorageClient {
  return storageThroughHelpers(
    { sharedRoot: settings.sharedRoot, allowedSymlinkTargets: [] },
    { spawnHelper: startHelper, deadlineMs: settings.storageDeadlineMs, helpers: STORAGE_HELPERS },
  );
}

function startHelper() {
  const { command, args } = storageHelper();
  return spawn(command, args, { stdio: ["pipe", "pipe", "inherit"] });
}

/** Tries until the shared storage answers: nothing can be done before. */
export async function untilStorage<T>(call: () => Promise<T>, log: Log, signal: AbortSignal): Promise<T> {
  for (let told = ""; ;) {
    try {
      return await call();
    } catch (error) {
      if (String(error) !== told) log.warn({ error: String(error) }, "the shared storage does not answer; waiting for it");
      told = String(error);
      await clock.sleep(AGAIN_MS, signal);
    }
  }
}

/** The key of head.json's mac; null = none is configured. Throws when its file can't be read or is empty. */
export function discoveryKey({ discoveryKeyFile }: Settings): string | null {
  if (discoveryKeyFile === null) return null;
  const key = readFileSync(discoveryKeyFile, "utf8").trim();
  if (key === "") throw new Error(`discovery.key_file ${discoveryKeyFile} is empty: put a random text into it`);
  return key;
}

/** `--python`, else what the configuration names, else the environment that `prepare` made on this root. */
export async function pythonOf(flag: string | null, { python, sharedRoot }: Settings): Promise<string> {
  if (flag !== null) return flag.includes("/") ? resolve(flag) : flag;
  if (python !== "python3") return python;
  try {
    const prepared: unknown = JSON.parse(await readFile(join(sharedRoot, "common", "verlpool", "prepared.json"), "utf8"));
    const path = (prepared as { readonly pythonPath?: unknown } | null)?.pythonPath;
    if (typeof path === "string") return path;
  } catch {
    // Nothing was prepared there: the system's own may have Ray.
  }
  return python;
}
