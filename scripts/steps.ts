/** Steps of the gate and of the test run: commands with a name, a log file, a time, and one line of outcome each. */
import { spawn } from "node:child_process";
import { createWriteStream, mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { finished } from "node:stream/promises";

export const root = dirname(import.meta.dirname);

export type Step = {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: { readonly [key: string]: string };
  /** Show the output while it runs, not only when it fails. */
  readonly live?: boolean;
};

export type StepOutcome = { readonly name: string; readonly ok: boolean; readonly seconds: number; readonly log: string };

export type Runner = {
  /** Runs one step to its end; never throws for a command that fails. */
  readonly run: (step: Step) => Promise<StepOutcome>;
  readonly outcomes: readonly StepOutcome[];
  readonly logDir: string;
};

/** `logDir` gets one file a step. */
export function stepRunner(logDir: string): Runner {
  mkdirSync(logDir, { recursive: true });
  const outcomes: StepOutcome[] = [];
  const run = async (step: Step): Promise<StepOutcome> => {
    const outcome = await runStep(step, join(logDir, `${step.name.replaceAll(/[^a-z0-9.-]+/gi, "-")}.log`));
    outcomes.push(outcome);
    return outcome;
  };
  return { run, outcomes, logDir };
}

/** The path of a tool that npm installed; run it with this Node. */
export function tool(name: string): string {
  return join(root, "node_modules", ".bin", name);
}

export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}

async function runStep(step: Step, log: string): Promise<StepOutcome> {
  const started = performance.now();
  const file = createWriteStream(log);
  const kept: Buffer[] = [];
  const keep = (chunk: Buffer): void => {
    file.write(chunk);
    if (step.live === true) process.stdout.write(chunk);
    else kept.push(chunk);
  };
  // The output goes to a file as well, so colours only where the step's output is a person's to read.
  const { FORCE_COLOR: _, ...inherited } = process.env;
  const env = { ...inherited, ...(process.stdout.isTTY ? {} : { NO_COLOR: "1" }), ...step.env };
  const child = spawn(step.command, step.args, { cwd: root, stdio: ["ignore", "pipe", "pipe"], env });
  child.stdout.on("data", keep);
  child.stderr.on("data", keep);
  const why = await new Promise<string | null>((resolve) => {
    child.on("error", (error) => resolve(`could not start ${step.command}: ${error.message}`));
    child.on("close", (code, signal) => resolve(code === 0 ? null : `exit ${code ?? signal}`));
  });
  file.end();
  await finished(file);
  const ms = performance.now() - started;
  console.log(
    `${why === null ? "ok  " : "FAIL"} ${step.name.padEnd(24)} ${seconds(ms).padStart(8)}${why === null ? "" : `  ${why}, log: ${log}`}`,
  );
  if (why !== null && kept.length > 0) process.stdout.write(Buffer.concat(kept));
  return { name: step.name, ok: why === null, seconds: ms / 1000, log };
}
