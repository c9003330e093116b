/** Runs `verlpool …` as a person would: each command line is shown, so that each step can be typed alone. */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { styleText } from "node:util";

const CLI = join(import.meta.dirname, "../../bin/verlpool");

export type Ran = { readonly code: number; readonly stdout: string; readonly stderr: string };
export type Verlpool = {
  /** Rejects with what it said when it fails. */
  readonly run: (...args: readonly string[]) => Promise<string>;
  /** Quiet, and never rejects. */
  readonly ask: (...args: readonly string[]) => Promise<Ran>;
};

/** `environment` is added to that of this process. */
export function verlpool(environment: { readonly [name: string]: string }): Verlpool {
  const ask = (...args: readonly string[]): Promise<Ran> =>
    new Promise((resolve) => {
      const options = { env: { ...process.env, ...environment }, maxBuffer: 64 << 20 };
      execFile(process.execPath, [CLI, ...args], options, (error, stdout, stderr) =>
        resolve({ code: error === null ? 0 : Number(error.code ?? 1), stdout, stderr }),
      );
    });
  return {
    ask,
    run: async (...args) => {
      console.error(styleText("dim", `   $ verlpool ${args.join(" ")}`));
      const { code, stdout, stderr } = await ask(...args);
      const said = `${stdout}${stderr}`.trim();
      for (const line of said.split("\n").filter(Boolean)) console.error(`     ${line}`);
      if (code !== 0) throw new Error(`verlpool ${args.join(" ")} ended with exit code ${code}: ${said.split("\n").slice(-12).join("\n")}`);
      return stdout;
    },
  };
}
