/** The program: `verlpool …`. Builds the world of the command line and hands over; everything else starts from here. */
import { createInterface } from "node:readline";
import { nodeFiles } from "../cli/node-files.ts";
import { runCli } from "../cli/run.ts";
import { httpTransport } from "../cli/transport.ts";
import type { CliWorld, InputStream, LocalCommands, OutputStream } from "../cli/world.ts";
import { ConfigError } from "../config/config.ts";
import { serveStorage } from "../storage/storage-helper.ts";
import { workerCommand } from "./agent/worker-command.ts";
import { clock, ids, random } from "./clock.ts";
import { headCommand } from "./agent/head-command.ts";
import { startCommand } from "./agent/start-command.ts";
import { agentStatusCommand } from "./agent/status-command.ts";
import { stopCommand } from "./agent/stop-command.ts";
import { runSupervisor, type SupervisePlan } from "./agent/supervisor.ts";
import { cleanCommand } from "./local/clean-command.ts";
import { answerQuestions } from "./doctor/peer.ts";
import { backupCommand, migrateCommand, resetCommand, restoreCommand } from "./local/database-commands.ts";
import { homeDirectory } from "./home.ts";
import { demoCommand } from "./local/demo-command.ts";
import { diagnoseFile } from "./local/diagnose-command.ts";
import { doctorCommand } from "./local/doctor-command.ts";
import { downCommand, statusCommand } from "./local/down-command.ts";
import { takeEnvironment } from "./local/hidden-environment.ts";
import { localRoot } from "./local/places.ts";
import { poolHostsCommand } from "./local/pool-apply-command.ts";
import { prepareCommand } from "./local/prepare-command.ts";
import { pullCommand } from "./local/pull-command.ts";
import { runUp, upCommand, type UpPlan } from "./local/up-command.ts";
import { configShowCommand, serverCommand } from "./server-command.ts";
import { stopSignal } from "./stop-signal.ts";
import { VERSION } from "./version.ts";

function output(stream: NodeJS.WriteStream): OutputStream {
  // A reader that is gone is told by the rejected write, not by an unhandled event.
  stream.on("error", () => undefined);
  return {
    isTTY: stream.isTTY,
    write: (chunk) =>
      new Promise((resolve, reject) => {
        stream.write(chunk, (error) => (error === null || error === undefined ? resolve() : reject(error)));
      }),
  };
}

function input(stream: NodeJS.ReadStream): InputStream {
  return {
    isTTY: stream.isTTY,
    readAll: async (maxBytes) => {
      const parts: Buffer[] = [];
      let size = 0;
      for await (const part of stream as AsyncIterable<Buffer>) {
        parts.push(part);
        size += part.length;
        if (size > maxBytes) break;
      }
      return Buffer.concat(parts).subarray(0, maxBytes + 1);
    },
    readLine: async () => {
      const lines = createInterface({ input: stream });
      for await (const line of lines) return line;
      return null;
    },
  };
}

function worldOf(stderr: OutputStream): CliWorld {
  const environment = process.env;
  const stdout = output(process.stdout);
  return {
    version: VERSION,
    env: environment,
    home: homeDirectory(),
    uid: process.getuid?.() ?? null,
    columns: process.stdout.isTTY ? process.stdout.columns : null,
    stdout,
    stderr,
    stdin: input(process.stdin),
    files: nodeFiles,
    request: httpTransport(),
    onInterrupt: (listener) => {
      process.on("SIGINT", listener);
      return () => void process.off("SIGINT", listener);
    },
    clock,
    randomHex: ids.hex,
    random,
    local: localCommands(environment, stdout, stderr),
    diagnose: (options) => diagnoseFile(options, process.stdin),
  };
}

function localCommands(environment: NodeJS.ProcessEnv, stdout: OutputStream, stderr: OutputStream): LocalCommands {
  const told = async (run: () => Promise<number>): Promise<number> => {
    try {
      return await run();
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      // The reader of stdout is gone (`verlpool doctor | head`): no news to anybody.
      if ((error as NodeJS.ErrnoException).code === "EPIPE") return 141;
      await stderr.write(`verlpool: ${error.message}\n`);
      return error instanceof ConfigError ? 2 : 1;
    }
  };
  return {
    server: (options) => told(() => serverCommand(options, environment, stderr)),
    head: (options) => told(() => headCommand(options, environment, stderr)),
    worker: (options) => told(() => workerCommand(options, environment, stderr)),
    up: (options) => told(() => upCommand(options, environment, homeDirectory(), stderr)),
    down: (options) => told(() => downCommand(options.root, environment, stderr, stopSignal())),
    status: (options) => told(() => statusCommand(options.root, options.json, environment, stdout)),
    prepare: (options) => told(() => prepareCommand(localRoot(options.root, environment), options, environment, stderr, stopSignal())),
    demo: (options) => told(() => demoCommand(options, environment, stdout, stderr)),
    pull: (options) => told(() => pullCommand(options, environment, stdout, stderr, stopSignal())),
    poolHosts: (options) => told(() => poolHostsCommand(options, environment, stdout, stderr, stopSignal())),
    configShow: (options) => told(() => configShowCommand(options, environment, stdout, stderr)),
    start: (options) => told(() => startCommand(options, environment, stderr, stopSignal())),
    stop: (options) => told(() => stopCommand(options, environment, stderr, stopSignal())),
    clean: (options) => told(() => cleanCommand(options, environment, stdout, stopSignal())),
    doctor: (options) => told(() => doctorCommand(options, environment, stdout, stopSignal())),
    backup: (options) => told(() => backupCommand(options, environment, stdout)),
    restore: (options) => told(() => restoreCommand(options, environment, stderr)),
    migrate: (options) => told(() => migrateCommand(options, environment, stderr)),
    resetDb: (options) => told(() => resetCommand(options, environment, stderr, stopSignal())),
    agentStatus: (options) => told(() => agentStatusCommand(options, options.json, environment, stdout)),
  };
}

/** Helpers that this program starts itself (self.ts): not for people, so not in the help. */
async function internal(name: string | undefined, argument: string | undefined, stderr: OutputStream): Promise<number> {
  if (name === "storage") {
    await serveStorage(process.stdin, process.stdout);
    return 0;
  }
  if (name === "up") {
    await takeEnvironment(process.stdin, process.env);
    return runUp(
      JSON.parse(argument ?? "") as UpPlan,
      process.env,
      homeDirectory(),
      (text) => stderr.write(`verlpool: ${text}\n`),
      stopSignal("is ignored"),
    );
  }
  if (name === "doctor-peer") {
    await answerQuestions(process.stdin, process.stdout);
    return 0;
  }
  if (name === "supervise") {
    await takeEnvironment(process.stdin, process.env);
    const code = await runSupervisor(JSON.parse(argument ?? "") as SupervisePlan, process.env, stopSignal("is ignored"));
    // A write that hangs on a dead mount must not keep it alive.
    process.exit(code);
  }
  await stderr.write(`verlpool: there is no internal command ${name ?? ""}\n`);
  return 2;
}

/** A foreground command of `verlpool start`: its environment comes over stdin. */
async function foreground(argv: readonly string[], stderr: OutputStream): Promise<number> {
  await takeEnvironment(process.stdin, process.env);
  return runCli(argv, worldOf(stderr));
}

async function main(): Promise<void> {
  const argv = process.argv.slice(2);
  const stderr = output(process.stderr);
  if (argv[0] === "internal" && argv[1] === "foreground") {
    process.exitCode = await foreground(argv.slice(2), stderr);
    return;
  }
  process.exitCode = argv[0] === "internal" ? await internal(argv[1], argv[2], stderr) : await runCli(argv, worldOf(stderr));
}

void main();
