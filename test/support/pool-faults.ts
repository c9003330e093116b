/** What can happen to a pool, done to test/support/pool-world.ts. */
import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { named, processesOf } from "./host-processes.ts";
import type { PoolHost, PoolWorld } from "./pool-world.ts";

export function hostOf(world: PoolWorld, name: string): PoolHost {
  const host = world.hosts().find((one) => one.name === name);
  if (host === undefined) throw new Error(`there is no host ${name}`);
  return host;
}

/** SIGKILL to everything that runs there, the agent included; its keeper starts it again. */
export function killAllOn(world: PoolWorld, name: string): void {
  const host = hostOf(world, name);
  signalAll(
    (processesOf([host]).get(host) ?? []).map(({ pid }) => pid),
    "SIGKILL",
  );
}

export function signalNamed(world: PoolWorld, host: string, program: "raylet" | "gcs_server", signal: NodeJS.Signals): void {
  const found = hostOf(world, host);
  signalAll(
    named(program, processesOf([found]).get(found) ?? []).map(({ pid }) => pid),
    signal,
  );
}

/** The head's machine is as new: all that the head knew is gone. */
export async function forgetHead(world: PoolWorld, name: string): Promise<void> {
  const host = hostOf(world, name);
  await world.stopAgent(name, "SIGKILL");
  killAllOn(world, name);
  // A folder of the host's, so it stays while its content goes.
  for (const entry of readdirSync(host.state))
    rmSync(join(host.state, entry), { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  world.startAgent(host, "head");
}

function signalAll(pids: readonly number[], signal: NodeJS.Signals): void {
  for (const pid of pids) {
    try {
      process.kill(pid, signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    }
  }
}
