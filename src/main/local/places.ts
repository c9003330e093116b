/** Where a local pool keeps what belongs to this machine and this root. */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { homeDirectory } from "../home.ts";
import type { Environment } from "../load-config.ts";

export type Places = {
  readonly root: string;
  readonly runDir: string;
  readonly adminTokenFile: string;
  readonly recordFile: string;
  readonly configFile: string;
  /** On this machine's own disk, one for each root. */
  readonly stateDir: string;
  readonly logFile: string;
};

export const CLUSTER = "local";

function dataHome(environment: Environment): string {
  return environment["XDG_DATA_HOME"] ?? join(homeDirectory(), ".local", "share");
}

/** `--root`, else VERLPOOL_ROOT, else /private where that exists, else a directory of the user's own. */
export function localRoot(flag: string | null, environment: Environment, ownName = "verlpool"): string {
  const named = flag ?? environment["VERLPOOL_ROOT"] ?? "";
  if (named !== "") return resolve(named);
  if (ownName === "verlpool" && existsSync("/private")) return "/private";
  return join(dataHome(environment), ownName);
}

/** What belongs to this machine and survives a reboot: VERLPOOL_STATE_DIR, else /var/lib/verlpool as root, else the user's own. */
export function stateHome(environment: Environment): string {
  const named = environment["VERLPOOL_STATE_DIR"] ?? "";
  if (named !== "") return resolve(named);
  const base = process.getuid?.() === 0 ? "/var/lib" : (environment["XDG_STATE_HOME"] ?? join(homeDirectory(), ".local", "state"));
  return join(base, "verlpool");
}

export function placesOf(root: string, environment: Environment): Places {
  const runDir = join(root, "run");
  const own = createHash("sha256").update(root).digest("hex").slice(0, 12);
  return {
    root,
    runDir,
    adminTokenFile: join(runDir, "admin.token"),
    recordFile: join(runDir, "pids.json"),
    configFile: join(runDir, "verlpool.yaml"),
    stateDir: join(stateHome(environment), `local-${own}`),
    logFile: join(root, "common", "logs", "up.log"),
  };
}
