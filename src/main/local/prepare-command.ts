/** `verlpool prepare`: what a pool needs on its shared storage before the first task; does only what is not done yet. */
import type { OutputStream } from "../../cli/world.ts";
import { DEMO_PROFILES } from "../../domain/verl/demo-profiles.ts";
import { hasNvidiaGpu } from "../../pool/prepare/interpreter.ts";
import { prepare, type Prepared } from "../../pool/prepare/prepare.ts";
import type { TextFile } from "../../pool/prepare/published-files.ts";
import type { PrepareEvent } from "../../pool/prepare/steps.ts";
import { asset, assetNames } from "../assets.ts";
import { clock } from "../clock.ts";
import type { Environment } from "../load-config.ts";

export type PrepareFlags = {
  readonly python: string | null;
  readonly existingPython: string | null;
  readonly torchIndex: string | null;
  readonly allowCuda: boolean;
};

export const PREPARE_DEFAULTS: PrepareFlags = { python: null, existingPython: null, torchIndex: null, allowCuda: false };

function definedOnly(environment: Environment): { [name: string]: string } {
  return Object.fromEntries(Object.entries(environment).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])));
}

/** Without a GPU the workloads' own names stand for the CPU settings too, so that a plain TaskSpec runs on a laptop's pool. */
export function profileFiles(hasGpu: boolean): readonly TextFile[] {
  const demo = Object.entries(DEMO_PROFILES).map(([name, text]) => ({ name, text }));
  if (hasGpu) return demo;
  return [...demo, ...demo.map(({ name, text }) => ({ name: name.replace(/^demo-/, ""), text: text.replace(/^name: demo-/, "name: ") }))];
}

export async function prepareRoot(
  root: string,
  flags: PrepareFlags,
  environment: Environment,
  stderr: OutputStream,
  signal: AbortSignal,
): Promise<Prepared> {
  const env = definedOnly(environment);
  const modules = assetNames("python")
    .filter((name) => name.endsWith(".py"))
    .map((name) => ({ name: name.slice("python/".length), text: asset(name) }));
  const profiles = profileFiles(await hasNvidiaGpu(env, signal));
  const options = {
    ...flags,
    root,
    requirements: asset("python/requirements.txt"),
    modules,
    profiles,
    demoArgs: [],
    env,
    monotonicMs: clock.monotonicMs,
  };
  return prepare(options, (event) => void stderr.write(lineOf(event)), signal);
}

function lineOf(event: PrepareEvent): string {
  switch (event.kind) {
    case "started":
      return `  ${event.step}: ${event.text} …\n`;
    case "progress":
      return `    ${event.text}\n`;
    case "warning":
      return `  ${event.step}: warning: ${event.text}\n`;
    case "done":
      return `  ${event.step}: ${event.reused ? "there already" : `done in ${event.seconds.toFixed(1)} s`} (${event.text})\n`;
  }
}

export async function prepareCommand(
  root: string,
  flags: PrepareFlags,
  environment: Environment,
  stderr: OutputStream,
  signal: AbortSignal,
): Promise<number> {
  await stderr.write(`verlpool: preparing ${root}\n`);
  const start = clock.monotonicMs();
  await prepareRoot(root, flags, environment, stderr, signal);
  await stderr.write(`verlpool: prepared in ${((clock.monotonicMs() - start) / 1000).toFixed(1)} s\n`);
  return 0;
}
