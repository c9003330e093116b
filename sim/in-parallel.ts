/** The same range of seeds on several cores: one child process each, every one with its own part of the range. */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { addUp, type SeedsOptions, type Summary } from "./run-seeds.ts";

export type ParallelOptions = Pick<SeedsOptions, "start" | "count" | "maxFailures"> & {
  readonly jobs: number;
  /** The repository, or a copy of it. */
  readonly tree: string;
};

export async function runInParallel(options: ParallelOptions): Promise<Summary> {
  const share = Math.ceil(options.count / options.jobs);
  const parts = Array.from({ length: options.jobs }, (_, index) => {
    const start = options.start + index * share;
    return { start, count: Math.max(0, Math.min(share, options.start + options.count - start)) };
  });
  return addUp(await Promise.all(parts.filter((part) => part.count > 0).map((part) => runPart(options, part.start, part.count))));
}

function runPart({ tree, maxFailures }: ParallelOptions, start: number, count: number): Promise<Summary> {
  const range = ["--start", `${start}`, "--seeds", `${count}`, "--max-failures", `${maxFailures}`];
  const args = [join(tree, "sim", "main.ts"), "--part", ...range];
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
    const output: Buffer[] = [];
    child.stdout.on("data", (chunk: Buffer) => output.push(chunk));
    child.on("error", reject);
    child.on("close", (code) => {
      if (code !== 0) reject(new Error(`seeds ${start} to ${start + count - 1} ended with exit ${code}`));
      else resolve(JSON.parse(Buffer.concat(output).toString("utf8")) as Summary);
    });
  });
}
