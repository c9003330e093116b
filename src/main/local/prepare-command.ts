/** `verlpool prepare`: what a pool needs on its shared storage before the first task; does only what is not done yet. */
import { readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { z } from "zod";
import type { OutputStream, PrepareChoices } from "../../cli/world.ts";
import { DEMO_PROFILES } from "../../domain/verl/demo-profiles.ts";
import { hasNvidiaGpu } from "../../pool/prepare/interpreter.ts";
import { prepareEnv } from "../../pool/plain-env.ts";
import { prepare, type Prepared } from "../../pool/prepare/prepare.ts";
import type { ExecutableSource } from "../../pool/prepare/executable-step.ts";
import type { TextFile } from "../../pool/prepare/published-files.ts";
import type { PrepareEvent } from "../../pool/prepare/steps.ts";
import { asset, assetNames } from "../assets.ts";
import { clock } from "../clock.ts";
import type { Environment } from "../load-config.ts";
import { executableSource } from "./executable-source.ts";

/** Decide by what is found on the machine. */
export const PREPARE_DEFAULTS: PrepareChoices = { python: null, existingPython: null, torchIndex: null, allowCuda: false };

/** Choices last made for a root, so that `up` and `demo` need not be told again. */
const Stored = z.object({
  python: z.string().nullable(),
  existingPython: z.string().nullable(),
  torchIndex: z.string().nullable(),
  allowCuda: z.boolean(),
});

function choicesFile(root: string): string {
  return join(root, "common", "verlpool", "prepare.json");
}

function storedChoices(root: string): PrepareChoices | null {
  try {
    return Stored.parse(JSON.parse(readFileSync(choicesFile(root), "utf8")));
  } catch {
    // None made yet, or not readable: the defaults are safe.
    return null;
  }
}

function isGiven(choices: PrepareChoices): boolean {
  return choices.python !== null || choices.existingPython !== null || choices.torchIndex !== null || choices.allowCuda;
}

/** Without a GPU the workloads' own names stand for the CPU settings too, so that a plain TaskSpec runs on a laptop's pool. */
export function profileFiles(hasGpu: boolean): readonly TextFile[] {
  const demo = Object.entries(DEMO_PROFILES).map(([name, text]) => ({ name, text }));
  if (hasGpu) return demo;
  return [...demo, ...demo.map(({ name, text }) => ({ name: name.replace(/^demo-/, ""), text: text.replace(/^name: demo-/, "name: ") }))];
}

/** `executable`: only for `verlpool prepare` itself; what `up` and `demo` start runs from where they do. */
export async function prepareRoot(
  root: string,
  given: PrepareChoices,
  environment: Environment,
  stderr: OutputStream,
  signal: AbortSignal,
  executable: ExecutableSource | null = null,
): Promise<Prepared> {
  const choices = isGiven(given) ? choicesOf(given) : (storedChoices(root) ?? choicesOf(given));
  const env = prepareEnv(environment);
  const modules = assetNames("python")
    .filter((name) => name.endsWith(".py"))
    .map((name) => ({ name: name.slice("python/".length), text: asset(name) }));
  const profiles = profileFiles(await hasNvidiaGpu(env, signal));
  const options = {
    ...choices,
    root,
    requirements: asset("python/requirements.txt"),
    modules,
    profiles,
    executable,
    demoArgs: [],
    env,
    monotonicMs: clock.monotonicMs,
  };
  const prepared = await prepare(options, (event) => void stderr.write(lineOf(event)), signal);
  writeFileSync(choicesFile(root), `${JSON.stringify(choices)}\n`);
  return prepared;
}

/** Without whatever else the command line's options hold. */
function choicesOf({ python, existingPython, torchIndex, allowCuda }: PrepareChoices): PrepareChoices {
  return {
    python: python === null ? null : resolveProgram(python),
    existingPython: existingPython === null ? null : resolveProgram(existingPython),
    torchIndex,
    allowCuda,
  };
}

/** A path is meant from where the user stands; a bare name from PATH. */
function resolveProgram(text: string): string {
  return text.includes("/") ? resolve(text) : text;
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
  choices: PrepareChoices & { readonly executable: boolean },
  environment: Environment,
  stderr: OutputStream,
  signal: AbortSignal,
): Promise<number> {
  await stderr.write(`verlpool: preparing ${root}\n`);
  const start = clock.monotonicMs();
  await prepareRoot(root, choices, environment, stderr, signal, choices.executable ? executableSource(environment) : null);
  await stderr.write(`verlpool: prepared in ${((clock.monotonicMs() - start) / 1000).toFixed(1)} s\n`);
  return 0;
}
