/** The frame of `prepare`: steps that say what they will do, do it only if it is not done, and survive being killed half-way. */
import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, open, readFile, readdir, rename, rm } from "node:fs/promises";
import { dirname, join } from "node:path";

export type StepName = "directories" | "environment" | "modules" | "code" | "demo" | "profiles" | "executable";

/** What `prepare` tells while it works. `progress` is for people; no program should read it. */
export type PrepareEvent =
  | { readonly kind: "started"; readonly step: StepName; readonly text: string }
  | { readonly kind: "progress"; readonly step: StepName; readonly text: string }
  | { readonly kind: "warning"; readonly step: StepName; readonly text: string }
  | { readonly kind: "done"; readonly step: StepName; readonly seconds: number; readonly reused: boolean; readonly text: string };

export type Report = (event: PrepareEvent) => void;

export type StepResult = { readonly name: StepName; readonly seconds: number; readonly reused: boolean };

export type Step = {
  readonly name: StepName;
  /** What will be done, said before it is. */
  readonly will: string;
  /** What stands afterwards. */
  readonly result: string;
  /** Everything the outcome depends on; another value is another outcome. */
  readonly inputs: readonly string[];
  /** Must all exist for the step to count as done, whatever its stamp says: somebody may have deleted them. */
  readonly outputs: readonly string[];
  /** Where the stamp stands, when not in the stamps' own directory: inside an output that may exist in several versions side by side. */
  readonly stamp?: string;
  readonly run: () => Promise<void>;
};

export type StepRunner = (step: Step) => Promise<StepResult>;

export function sha256(...parts: readonly string[]): string {
  const hash = createHash("sha256");
  // The length in front keeps ["ab", "c"] and ["a", "bc"] apart.
  for (const part of parts) hash.update(`${Buffer.byteLength(part)}:`).update(part);
  return hash.digest("hex");
}

/**
 * Runs steps under `stampDir`. A stamp holds the hash of the step's inputs and is written, durably, after the step's work; so a step that was killed has
 * none and is done again. `monotonicMs` is used for the durations only.
 */
export function stepRunner(stampDir: string, report: Report, monotonicMs: () => number, signal: AbortSignal): StepRunner {
  return async (step) => {
    signal.throwIfAborted();
    const started = monotonicMs();
    const stamp = step.stamp ?? join(stampDir, `${step.name}.stamp`);
    const wanted = sha256(...step.inputs);
    const isDone = step.outputs.every((path) => existsSync(path)) && (await readText(stamp)) === `${wanted}\n`;
    if (!isDone) {
      report({ kind: "started", step: step.name, text: step.will });
      // First the old stamp goes: from here on the outputs are in the making.
      await rm(stamp, { force: true });
      await step.run();
      signal.throwIfAborted();
      await writeDurably(stamp, `${wanted}\n`, 0o644);
    }
    const result = { name: step.name, seconds: (monotonicMs() - started) / 1000, reused: isDone };
    report({ kind: "done", step: step.name, seconds: result.seconds, reused: isDone, text: step.result });
    return result;
  };
}

/** The text of a file, or null when there is none. */
export async function readText(path: string): Promise<string | null> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}

/** Writes beside the target, syncs, renames: a reader, and a machine that loses power, sees the old text or the new one. */
export async function writeDurably(path: string, text: string, mode: number): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const fresh = `${path}.making-${process.pid}`;
  const file = await open(fresh, "w", mode);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(fresh, path);
}

/** Removes what a killed run left beside `path` (`.NAME.making-…`, `NAME.making-…`, `.NAME.old-…`). Only under the lock of `prepare`. */
export async function removeLeftovers(path: string): Promise<void> {
  const parent = dirname(path);
  const name = path.slice(parent.length + 1);
  if (!existsSync(parent)) return;
  const isLeftover = (entry: string) => [`.${name}.making-`, `${name}.making-`, `.${name}.old-`].some((prefix) => entry.startsWith(prefix));
  for (const entry of (await readdir(parent)).filter(isLeftover)) await rm(join(parent, entry), { recursive: true, force: true });
}
