/** `start`, `stop` and `status` of one agent, with the flags of its foreground command. */
import { resolve } from "node:path";
import type { Command } from "commander";
import type { AgentOptions, AgentRole } from "../world.ts";
import { type Bind, leaf } from "./leaf.ts";

const ROLES: { readonly [role in AgentRole]: string } = {
  server: "The API and the scheduler",
  head: "Ray's head",
  worker: "This machine as a worker",
};

/** The foreground commands must stand in `program` already: each brings its own flags. */
export function addAgents(program: Command, bind: Bind): void {
  const start = program.command("start").description("Start an agent detached: it is started again whenever it ends, until `stop`");
  const stop = program.command("stop").description("End an agent that `start` started here; same flags");
  const status = program.commands.find((command) => command.name() === "status");
  // `--root` after the agent's name is the agent's; each command on the way must leave it alone.
  program.enablePositionalOptions();
  status?.enablePositionalOptions();
  for (const [role, what] of Object.entries(ROLES) as [AgentRole, string][]) {
    const foreground = program.commands.find((command) => command.name() === role);
    if (foreground === undefined) continue;
    const like = (parent: Command, summary: string, example: string): Command => {
      const command = leaf(parent, role, summary, [example]);
      for (const option of foreground.options) command.addOption(option);
      return command;
    };
    const line = `${role} --root /private`;
    const started = like(start, `${what}, with the flags of \`verlpool ${role}\``, `verlpool start ${line}`);
    started.action(() => bind((session) => session.world.local.start(optionsOf(role, started))));
    const stopped = like(stop, what, `verlpool stop ${line}`);
    stopped.action(() => bind((session) => session.world.local.stop(optionsOf(role, stopped))));
    if (status === undefined) continue;
    const asked = like(status, `${what}: runs it, since when, how often it was started again`, `verlpool status ${line}`);
    if (!foreground.options.some((option) => option.long === "--json")) asked.option("--json", "print one object");
    asked.action(() =>
      bind((session) => session.world.local.agentStatus({ ...optionsOf(role, asked), json: asked.opts()["json"] === true })),
    );
  }
}

/** What tells one agent from another, and the flags as they were given, for the foreground command. */
function optionsOf(role: AgentRole, command: Command): AgentOptions {
  const flags = command.opts<{ root?: string; cluster?: string; nodeName?: string; stateDir?: string; config?: string }>();
  return {
    role,
    argv: absolutePaths(command, given(command)),
    config: flags.config ?? null,
    root: flags.root ?? null,
    cluster: flags.cluster ?? null,
    nodeName: flags.nodeName ?? null,
    stateDir: flags.stateDir ?? null,
  };
}

/** What stands behind the agent's name on the command line. */
function given(command: Command): readonly string[] {
  let top = command;
  while (top.parent !== null) top = top.parent;
  const words = (top as Command & { readonly rawArgs: readonly string[] }).rawArgs;
  return words.slice(words.indexOf(command.name()) + 1);
}

/** A detached agent has another working directory. */
function absolutePaths(command: Command, words: readonly string[]): readonly string[] {
  const takesPath = (word: string | undefined): boolean =>
    command.options.some((option) => option.long === word && /<(?:dir|file)>/.test(option.flags));
  return words.map((word, index) => {
    if (takesPath(words[index - 1])) return resolve(word);
    const [name = "", ...rest] = word.split("=");
    return rest.length > 0 && takesPath(name) ? `${name}=${resolve(rest.join("="))}` : word;
  });
}
