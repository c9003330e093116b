/** The detached agents of this machine: which ones there are, and where each keeps its record and its output. */
import { createHash } from "node:crypto";
import { hostname } from "node:os";
import { join, resolve } from "node:path";
import type { AgentOptions, AgentRole } from "../../cli/world.ts";
import type { Environment } from "../load-config.ts";
import { loadConfig } from "../load-config.ts";
import { stateHome } from "../local/places.ts";

export type AgentId = {
  readonly role: AgentRole;
  /** `server`, `head` or `worker-<node>`: also the name of its log. */
  readonly name: string;
  readonly root: string;
  readonly cluster: string;
  /** All agents of this root and cluster, one directory each. */
  readonly home: string;
};

export type AgentPlaces = {
  readonly dir: string;
  readonly recordFile: string;
  /** What it prints, on this machine's own disk, so that a hung mount never stops it. */
  readonly outputFile: string;
  /** How much of the output has reached `logFile`. */
  readonly shippedFile: string;
  readonly logFile: string;
};

/** Throws ConfigError where the foreground command would. */
export function agentIdOf(options: AgentOptions, environment: Environment): AgentId {
  const flags = {
    ...(options.root === null ? {} : { shared_root: resolve(options.root) }),
    ...(options.cluster === null ? {} : { "pool.cluster": options.cluster }),
  };
  const { config } = loadConfig(options.config, flags, environment);
  const root = config.shared_root.value as string;
  const cluster = config["pool.cluster"].value as string;
  const name = options.role === "worker" ? `worker-${nodeNameOf(options.nodeName)}` : options.role;
  return { role: options.role, name, root, cluster, home: agentsHome(root, cluster, options.stateDir, environment) };
}

/** Where all agents of a root keep their homes, whatever their cluster. */
export function agentsBase(stateDir: string | null, environment: Environment): string {
  return join(stateDir === null ? stateHome(environment) : resolve(stateDir), "agents");
}

export function agentsHome(root: string, cluster: string, stateDir: string | null, environment: Environment): string {
  const own = createHash("sha256").update(`${root}\0${cluster}`).digest("hex").slice(0, 12);
  return join(agentsBase(stateDir, environment), own);
}

export function agentPlacesOf(id: Pick<AgentId, "home" | "name" | "root">): AgentPlaces {
  const dir = join(id.home, id.name);
  return {
    dir,
    recordFile: join(dir, "record.json"),
    outputFile: join(dir, "output.log"),
    shippedFile: join(dir, "shipped"),
    logFile: join(id.root, "common", "logs", `${id.name}.log`),
  };
}

/** As the worker names itself: `^[a-z0-9][a-z0-9.-]{0,62}$` (docs/interfaces.md, Discovery). */
export function nodeNameOf(given: string | null): string {
  const plain = (given ?? hostname()).toLowerCase().replaceAll(/[^a-z0-9.-]/g, "-");
  return plain.replace(/^[^a-z0-9]+/, "").slice(0, 63) || "node";
}
