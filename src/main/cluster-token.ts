/** Ray's cluster token for a server that was told none: the one that the head keeps beside head.json. */
import { createHash } from "node:crypto";
import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Settings } from "../config/settings.ts";
import type { Clock, Log } from "../control/ports.ts";
import type { Environment } from "./load-config.ts";
import { stateHome } from "./local/places.ts";

export type ClusterToken = {
  /** A file on this machine's own disk, so that no request to Ray ever waits for a mount that hangs; null = there is no token. */
  readonly file: () => string | null;
  readonly run: (signal: AbortSignal) => Promise<void>;
};

const EVERY_MS = 2_000;

/** `read` goes through a storage helper. */
export function clusterToken(
  settings: Pick<Settings, "rayTokenFile" | "sharedRoot" | "cluster">,
  read: () => Promise<string | null>,
  environment: Environment,
  clock: Clock,
  log: Log,
): ClusterToken {
  const { rayTokenFile, sharedRoot, cluster } = settings;
  if (rayTokenFile !== null) return { file: () => rayTokenFile, run: () => Promise.resolve() };
  const own = createHash("sha256").update(`${sharedRoot}\0${cluster}`).digest("hex").slice(0, 12);
  const copy = join(stateHome(environment), "server", own, "ray-token");
  let held: string | null = null;

  async function look(): Promise<void> {
    const token = await read();
    if (token === held) return;
    if (token !== null) {
      mkdirSync(dirname(copy), { recursive: true, mode: 0o700 });
      writeFileSync(`${copy}.tmp`, token, { mode: 0o600 });
      renameSync(`${copy}.tmp`, copy);
    }
    held = token;
  }

  async function run(signal: AbortSignal): Promise<void> {
    let complaint = "";
    while (!signal.aborted) {
      const error = await look().then(() => "", String);
      if (error !== complaint && error !== "") log.warn({ error }, "the cluster's Ray token can't be read");
      complaint = error;
      await clock.sleep(EVERY_MS, signal).catch(() => undefined);
    }
  }

  return { file: () => (held === null ? null : copy), run };
}
