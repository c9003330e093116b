/** `verlpool model pull` and `dataset pull`: with a way to the hub, real models and data for a prepared pool. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import type { OutputStream, PullOptions } from "../../cli/world.ts";
import { hubEnv } from "../../pool/plain-env.ts";
import { pullFromHub } from "../../pool/prepare/hub.ts";
import type { Environment } from "../load-config.ts";
import { localRoot } from "./places.ts";

const Prepared = z.object({ pythonPath: z.string() });

/** The interpreter that `prepare` left for this root; it has the hub's client. */
function preparedPython(root: string): string {
  try {
    return Prepared.parse(JSON.parse(readFileSync(join(root, "common", "verlpool", "prepared.json"), "utf8"))).pythonPath;
  } catch (cause) {
    throw new Error(`${root} is not prepared: run \`verlpool prepare --root ${root}\` first`, { cause });
  }
}

/** Prints the snapshot's directory. */
export async function pullCommand(
  options: PullOptions,
  environment: Environment,
  stdout: OutputStream,
  stderr: OutputStream,
  signal: AbortSignal,
): Promise<number> {
  const root = localRoot(options.root, environment);
  const pull = { ...options, root, python: preparedPython(root), env: hubEnv(environment) };
  const snapshot = await pullFromHub(pull, (text) => void stderr.write(`verlpool: ${text}\n`), signal);
  await stdout.write(`${snapshot}\n`);
  return 0;
}
