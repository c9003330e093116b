/** Long-running programs of `prepare` (pip, the demo maker): their output in a log, line by line to whoever watches, their whole group ended on abort. */
import { spawn } from "node:child_process";
import { createWriteStream, mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { createInterface } from "node:readline";
import { finished } from "node:stream/promises";

export type Child = {
  readonly command: string;
  readonly args: readonly string[];
  /** The whole environment: nothing is inherited. */
  readonly env: { readonly [key: string]: string };
  readonly cwd?: string;
  /** Output is appended here. */
  readonly logFile: string;
  /** Each line of stdout and stderr. Returning `stop` ends the program at once; `runChild` then gives `stopped: true`. */
  readonly onLine?: (line: string) => "go_on" | "stop";
};

export type ChildEnd = {
  readonly exitCode: number | null;
  readonly signal: string | null;
  readonly stopped: boolean;
  /** The last lines, for an error message. */
  readonly tail: readonly string[];
};

const TAIL_LINES = 12;

/**
 * Runs the program in a process group of its own and resolves when it has ended. On abort the group gets SIGKILL (everything that `prepare` starts is
 * safe against that) and the call rejects with the signal's reason. Throws where the program can't be started.
 */
export async function runChild(child: Child, signal: AbortSignal): Promise<ChildEnd> {
  signal.throwIfAborted();
  mkdirSync(dirname(child.logFile), { recursive: true });
  const log = createWriteStream(child.logFile, { flags: "a", mode: 0o600 });
  log.write(`$ ${child.command} ${child.args.join(" ")}\n`);
  const tail: string[] = [];
  let stopped = false;
  const program = spawn(child.command, child.args, { env: child.env, cwd: child.cwd, detached: true, stdio: ["ignore", "pipe", "pipe"] });
  const killGroup = () => {
    if (program.pid === undefined || program.exitCode !== null || program.signalCode !== null) return;
    process.kill(-program.pid, "SIGKILL");
  };
  signal.addEventListener("abort", killGroup, { once: true });
  const ended = new Promise<{ exitCode: number | null; signal: string | null }>((resolve, reject) => {
    program.once("error", reject);
    program.once("close", (exitCode, by) => resolve({ exitCode, signal: by }));
  });
  for (const stream of [program.stdout, program.stderr]) {
    createInterface({ input: stream, crlfDelay: Infinity }).on("line", (line) => {
      log.write(`${line}\n`);
      if (line.trim() !== "") tail.push(line);
      if (tail.length > TAIL_LINES) tail.shift();
      if (!stopped && child.onLine?.(line) === "stop") {
        stopped = true;
        killGroup();
      }
    });
  }
  try {
    const end = await ended;
    signal.throwIfAborted();
    return { ...end, stopped, tail };
  } finally {
    signal.removeEventListener("abort", killGroup);
    log.end();
    await finished(log);
  }
}

/** Throws unless the program ended with exit code 0: `what` failed, its last lines, and where the log is. */
export function mustSucceed(end: ChildEnd, what: string, logFile: string, fix: string): void {
  if (end.exitCode === 0) return;
  const how = end.signal === null ? `exit code ${end.exitCode ?? "?"}` : `signal ${end.signal}`;
  throw new Error(`${what} failed (${how}).\n${end.tail.map((line) => `    ${line}`).join("\n")}\n${fix} The whole log: ${logFile}`);
}
