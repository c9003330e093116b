/** `verlpool head` as a process of its own, on this machine, to be killed at will. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { request } from "undici";
import { poolId } from "../../src/pool/pool-lock.ts";

const CLI = join(import.meta.dirname, "../../src/main/cli.ts");

export type HeadPlace = {
  readonly root: string;
  readonly stateDir: string;
  readonly nodeIp: string;
  readonly rayPort: number;
  readonly dashboardPort: number;
  readonly healthPort: number;
  readonly python: string;
};

export type HeadProcess = {
  readonly child: ChildProcess;
  /** What it says of itself; null while it does not answer. */
  readonly health: () => Promise<{ readonly [name: string]: unknown } | null>;
  readonly output: () => string;
  /** The tag of everything that it starts. */
  readonly tag: () => string;
  /** Resolves with the exit code or the signal that ended it. */
  readonly end: (signal: NodeJS.Signals) => Promise<number | string>;
};

export function startHeadProcess(place: HeadPlace, ...more: readonly string[]): HeadProcess {
  const { root, stateDir, nodeIp, rayPort, dashboardPort, healthPort, python } = place;
  const flags = {
    root,
    "state-dir": stateDir,
    "node-ip": nodeIp,
    "ray-port": rayPort,
    "dashboard-port": dashboardPort,
    "health-port": healthPort,
    python,
  };
  const words = Object.entries(flags).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const coverage = process.env["NODE_V8_COVERAGE"];
  const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", CLI, "head", "--cluster", "c1", ...words, ...more], {
    env: {
      PATH: process.env["PATH"] ?? "/usr/bin:/bin",
      HOME: stateDir,
      ...(coverage === undefined ? {} : { NODE_V8_COVERAGE: coverage }),
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const ended = once(child, "exit") as Promise<[number | null, string | null]>;
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => void (output += chunk.toString("utf8")));
  return {
    child,
    output: () => output,
    tag: () => poolId(join(stateDir, "head", "c1")),
    health: async () => {
      try {
        const { body } = await request(`http://127.0.0.1:${healthPort}/healthz`);
        return (await body.json()) as { readonly [name: string]: unknown };
      } catch {
        return null;
      }
    },
    end: async (signal) => {
      child.kill(signal);
      const [code, by] = await ended;
      return code ?? by ?? "";
    },
  };
}

export function headJson(root: string): { readonly [name: string]: unknown } | null {
  try {
    return JSON.parse(readFileSync(join(root, "ray/discovery/c1/head.json"), "utf8")) as { readonly [name: string]: unknown };
  } catch {
    return null;
  }
}
