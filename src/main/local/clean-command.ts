/** `verlpool clean`: ends what is proven to be ours on this machine, and removes what dead agents left. Idempotent. */
import { join, resolve } from "node:path";
import type { CleanOptions, OutputStream } from "../../cli/world.ts";
import { agentIdOf, agentsHome } from "../agent/agent-places.ts";
import { clock } from "../clock.ts";
import type { Environment } from "../load-config.ts";
import { type CleanScope, type CleanStep, endings, leftovers } from "./clean-steps.ts";
import { CLUSTER, placesOf, stateHome } from "./places.ts";

/** Exit code 1 when something could not be done; what could be done was. */
export async function cleanCommand(
  options: CleanOptions,
  environment: Environment,
  stdout: OutputStream,
  signal: AbortSignal,
): Promise<number> {
  const { root, cluster } = agentIdOf({ ...options, role: "server", argv: [], nodeName: null }, environment);
  const home = options.stateDir === null ? stateHome(environment) : resolve(options.stateDir);
  const clusters = [...new Set([cluster, CLUSTER])];
  const scope: CleanScope = {
    root,
    clusters,
    headDirs: clusters.map((name) => join(home, "head", name)),
    agentsHome: agentsHome(root, cluster, options.stateDir, environment),
    places: placesOf(root, environment),
    clock,
  };
  const say = (text: string): Promise<void> => stdout.write(`${text}\n`);
  if (options.dryRun) {
    const steps = [...endings(scope), ...(await leftovers(scope))];
    for (const { what } of steps) await say(`would ${what}`);
    if (steps.length === 0) await say(`nothing to clean for ${root}`);
    return 0;
  }
  const ended = await carryOut(endings(scope), say, signal);
  // Looked for only now: an agent that ended in order has taken its own files away.
  const removed = await carryOut(await leftovers(scope), say, signal);
  if (ended.steps + removed.steps === 0) await say(`nothing to clean for ${root}`);
  return ended.ok && removed.ok ? 0 : 1;
}

async function carryOut(
  steps: readonly CleanStep[],
  say: (text: string) => Promise<void>,
  signal: AbortSignal,
): Promise<{ readonly ok: boolean; readonly steps: number }> {
  let ok = true;
  for (const { what, run } of steps) {
    const problem = await run(signal).catch((error: unknown) => (error instanceof Error ? error.message : String(error)));
    await say(problem === null ? `done: ${what}` : `not done: ${what}: ${problem}`);
    ok &&= problem === null;
  }
  return { ok, steps: steps.length };
}
