/** What the machine and the Python environment can do, found out by asking them. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { type Environment, prepareEnv } from "./plain-env.ts";

const run = promisify(execFile);

export type RayInstall = {
  readonly rayVersion: string;
  readonly pythonVersion: string;
  /** RAY_AUTH_MODE=token: Ray 2.52. */
  readonly hasTokenAuth: boolean;
  /** Embedded RocksDB GCS storage (ray PR 63657): first measured here on 2.60; 2.51 has none. */
  readonly hasDurableGcs: boolean;
  /** Before that, workers take the head's --temp-dir and ignore their own. */
  readonly hasWorkerTempDir: boolean;
};

const PROBE = `
import json, platform
from importlib.metadata import version
print(json.dumps([version("ray"), platform.python_version()]))
`;

/** Throws with what to do when `python` can't be run or has no Ray. */
export async function probeRay(python: string, parentEnv: Environment, signal: AbortSignal): Promise<RayInstall> {
  let output: string;
  try {
    output = (await run(python, ["-I", "-c", PROBE], { env: prepareEnv(parentEnv), signal, timeout: 60_000 })).stdout;
  } catch (error) {
    signal.throwIfAborted();
    const why = error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error);
    throw new Error(`no Ray can be found with ${python} (${why}): run \`verlpool prepare\`, or install ray[default] there`, {
      cause: error,
    });
  }
  const [rayVersion, pythonVersion] = JSON.parse(output) as [string, string];
  return { rayVersion, pythonVersion, ...abilities(rayVersion) };
}

/** By version, since Ray ignores environment variables that it does not know. */
export function abilities(rayVersion: string): Pick<RayInstall, "hasTokenAuth" | "hasDurableGcs" | "hasWorkerTempDir"> {
  const [major = 0, minor = 0] = rayVersion.split(".").map((part) => Number.parseInt(part, 10));
  const isAtLeast = (wanted: number) => major > 2 || (major === 2 && minor >= wanted);
  return { hasTokenAuth: isAtLeast(52), hasDurableGcs: isAtLeast(60), hasWorkerTempDir: isAtLeast(60) };
}

/** How the processes of a node are held together, so that they all die with it. */
export type Containment = "pidns" | "userns" | "none";

/** `--propagation slave`: a mount made later outside, such as a returning NFS share, must still be seen inside. */
const NAMESPACE = ["unshare", "--pid", "--fork", "--mount-proc", "--propagation", "slave", "--kill-child=SIGKILL"];

export function containmentArgv(containment: Containment): readonly string[] {
  switch (containment) {
    case "pidns":
      return NAMESPACE;
    case "userns":
      return [...NAMESPACE, "--user", "--map-current-user"];
    case "none":
      return [];
  }
}

/** The strongest containment that this user may have here. */
export async function probeContainment(signal: AbortSignal): Promise<Containment> {
  for (const candidate of ["pidns", "userns"] as const) {
    const [program = "", ...args] = containmentArgv(candidate);
    try {
      await run(program, [...args, "true"], { signal, timeout: 10_000 });
      return candidate;
    } catch {
      signal.throwIfAborted();
    }
  }
  return "none";
}
