/** From argv to an exit code. */
import { Command, CommanderError } from "commander";
import { addAgents } from "./commands/agents.ts";
import { addArtifacts } from "./commands/artifacts.ts";
import { addAttempt } from "./commands/attempt.ts";
import { addAudit } from "./commands/audit.ts";
import { addCancel } from "./commands/cancel.ts";
import { addClean } from "./commands/clean.ts";
import { addCatalog } from "./commands/catalog.ts";
import { addCurves } from "./commands/curves.ts";
import { addDatabase } from "./commands/database.ts";
import { addDiff } from "./commands/diff.ts";
import { addDiagnose } from "./commands/diagnose.ts";
import { addDoctor } from "./commands/doctor.ts";
import { addExport } from "./commands/export.ts";
import { addEvents } from "./commands/events.ts";
import type { Bind } from "./commands/leaf.ts";
import { addHead } from "./commands/head.ts";
import { addList } from "./commands/list.ts";
import { addLocal } from "./commands/local.ts";
import { addLogin } from "./commands/login.ts";
import { addLogs } from "./commands/logs.ts";
import { addNode } from "./commands/node.ts";
import { addNodes } from "./commands/nodes.ts";
import { addOrder } from "./commands/order.ts";
import { addPlan } from "./commands/plan.ts";
import { addPool } from "./commands/pool.ts";
import { addProfiles } from "./commands/profiles.ts";
import { addQueue } from "./commands/queue.ts";
import { addRetry } from "./commands/retry.ts";
import { addShow } from "./commands/show.ts";
import { addSubmit } from "./commands/submit.ts";
import { addTemplate } from "./commands/template.ts";
import { addToken } from "./commands/token.ts";
import { addUsage } from "./commands/usage.ts";
import { addUser } from "./commands/user.ts";
import { addWait } from "./commands/wait.ts";
import { addWhy } from "./commands/why.ts";
import { addWorker } from "./commands/worker.ts";
import { EXIT, usageError } from "./problem-error.ts";
import { openSession } from "./session.ts";
import { visibleLines } from "./visible.ts";
import type { CliWorld } from "./world.ts";

const AFTER = `
Exit codes: 0 ok, 1 error, 2 usage, 4 not authorised; submit --wait, wait, logs -f: 0 SUCCEEDED, 100 FAILED, 101 not finished, 102 not found, 103 CANCELED; 130 Ctrl-C.
Where and who: VERLPOOL_URL and VERLPOOL_TOKEN, else what \`verlpool login\` kept, else the address published under VERLPOOL_ROOT.

Examples:
  verlpool template ppo > ppo.yaml
  verlpool submit ppo.yaml --follow
  verlpool queue`;

type Written = { readonly data: string[]; readonly talk: string[] };

/** Groups as they stand in the help, each in the order people meet them. */
export function buildProgram(bind: Bind, version: string, width: number, written: Written): Command {
  const program = new Command("verlpool")
    .description("Queue, run and follow verl post-training on your own GPUs with Ray.")
    .version(version, "-V, --version")
    .showHelpAfterError("(verlpool --help, or --help after any command, shows what there is)")
    .exitOverride()
    .configureOutput({
      writeOut: (text) => written.data.push(text),
      writeErr: (text) => written.talk.push(text),
      getOutHelpWidth: () => width,
      getErrHelpWidth: () => width,
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    })
    .addHelpText("after", AFTER);
  program.commandsGroup("Tasks:");
  for (const add of [
    addTemplate,
    addPlan,
    addSubmit,
    addList,
    addShow,
    addWhy,
    addLogs,
    addCurves,
    addArtifacts,
    addExport,
    addDiff,
    addEvents,
    addWait,
    addCancel,
    addRetry,
    addOrder,
  ])
    add(program, bind);
  program.commandsGroup("Pool:");
  for (const add of [addQueue, addNodes, addProfiles, addCatalog]) add(program, bind);
  program.commandsGroup("Access:");
  for (const add of [addLogin, addUser, addToken, addAudit, addAttempt, addNode, addUsage]) add(program, bind);
  program.commandsGroup("This machine:");
  addDiagnose(program, bind);
  addLocal(program, bind);
  addHead(program, bind);
  addWorker(program, bind);
  addAgents(program, bind);
  addClean(program, bind);
  addDoctor(program, bind);
  addDatabase(program, bind);
  addPool(program, bind);
  for (const group of program.commands.filter(({ commands }) => commands.length > 0))
    group.showHelpAfterError(`(after ${group.name()} comes one of: ${group.commands.map((one) => one.name()).join(", ")})`);
  return program;
}

function isBrokenPipe(error: unknown): boolean {
  return error instanceof Error && (error as { code?: unknown }).code === "EPIPE";
}

/** Runs one command line (without node and script) and resolves to its exit code; never rejects, never exits. */
export async function runCli(argv: readonly string[], world: CliWorld): Promise<number> {
  const json = argv.includes("--json");
  const session = openSession(world, json);
  const written: Written = { data: [], talk: [] };
  let exit: number = EXIT.ok;
  const program = buildProgram(
    async (run) => {
      exit = await run(session);
    },
    world.version,
    Math.min(world.columns || 80, 120),
    written,
  );
  try {
    await program.parseAsync(argv.length === 0 ? ["--help"] : argv, { from: "user" });
    return exit;
  } catch (error) {
    if (isBrokenPipe(error)) return EXIT.brokenPipe;
    if (!(error instanceof CommanderError)) return await session.report(error);
    await world.stdout.write(written.data.join(""));
    if (error.exitCode === 0) return EXIT.ok;
    if (json) return await session.report(usageError(error.message.replace(/^error: /, "")));
    await world.stderr.write(visibleLines(written.talk.join("")));
    return EXIT.usage;
  }
}
