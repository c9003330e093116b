/** What must hold before a commit. `npm run check` runs it alone, `npm test` as its first part. */
import { join } from "node:path";
import { root, type Runner, type Step, tool } from "./steps.ts";

const STATIC_CHECKS: readonly Step[] = [
  { name: "types", command: process.execPath, args: [tool("tsc"), "-p", "."] },
  { name: "types of the page", command: process.execPath, args: [tool("tsc"), "-p", "web"] },
  { name: "lint", command: process.execPath, args: [tool("oxlint"), "--deny-warnings"] },
  { name: "format", command: process.execPath, args: [tool("oxfmt"), "--check"] },
  { name: "dead code", command: process.execPath, args: [tool("knip")] },
  simulation("simulation", "--seeds", "200"),
];

export const GATE_TOOLS: readonly string[] = STATIC_CHECKS.map((step) => step.name);

export function simulation(name: string, ...options: readonly string[]): Step {
  return { name, command: process.execPath, args: [join(root, "sim", "main.ts"), ...options] };
}

/**
 * Two lanes, because two cores are what the smallest machine has: the unit suite beside the static checks.
 * `vitest` are further options for the unit suite.
 */
export async function runGate(runner: Runner, vitest: readonly string[], env: { readonly [key: string]: string }): Promise<void> {
  const unit: Step = { name: "unit", command: process.execPath, args: [tool("vitest"), "run", "--project", "unit", ...vitest], env };
  await Promise.all([runner.run(unit), runInTurn(runner, STATIC_CHECKS)]);
}

async function runInTurn(runner: Runner, steps: readonly Step[]): Promise<void> {
  for (const step of steps) await runner.run(step);
}
