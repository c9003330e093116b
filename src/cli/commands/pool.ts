/** `pool apply|status|stop`: agents on hosts that offer only SSH. They are only parsed here; main/ does them. */
import { type Command, Option } from "commander";
import { parseDuration, repeated } from "../parse-values.ts";
import type { PoolHostsOptions } from "../world.ts";
import { type Bind, leaf } from "./leaf.ts";

type Flags = {
  readonly host?: readonly string[];
  readonly sshConfig?: string;
  readonly json?: true;
  readonly watch?: true;
  readonly every?: number;
  readonly force?: true;
};

const EVERY_S = 60;

export function addPool(program: Command, bind: Bind): void {
  const pool = program.command("pool").description("Head and workers on hosts that offer only SSH; no server needed");
  const withHosts = (verb: PoolHostsOptions["verb"], summary: string, examples: readonly string[]): Command => {
    const command = leaf(pool, `${verb} <file>`, summary, examples)
      .option("--host <name>", "only this one (repeat)", repeated)
      .option("--ssh-config <file>", "for ssh -F, instead of your own")
      .option("--json", "print one object");
    return command.action((file: string, flags: Flags) => bind((session) => session.world.local.poolHosts(optionsOf(verb, file, flags))));
  };
  withHosts("apply", "Make every host of the file run its agent; a second time changes nothing", [
    "verlpool pool apply hosts.yaml",
    "verlpool pool apply hosts.yaml --watch",
  ])
    .option("--watch", "look again every minute, and start again what died or is silent, until Ctrl-C")
    .addOption(new Option("--every <time>", "how often --watch looks").argParser(parseDuration).default(EVERY_S, "1m"))
    .option("--force", "restart an agent whose flags have changed although attempts run there");
  withHosts("status", "What runs on each host", ["verlpool pool status hosts.yaml --json"]);
  withHosts("stop", "Stop the agents, and with them what runs there", ["verlpool pool stop hosts.yaml --host gpu-1"]);
}

function optionsOf(verb: PoolHostsOptions["verb"], file: string, flags: Flags): PoolHostsOptions {
  return {
    verb,
    file,
    only: flags.host ?? [],
    sshConfig: flags.sshConfig ?? null,
    json: flags.json === true,
    watchEveryS: flags.watch === true ? (flags.every ?? EVERY_S) : null,
    force: flags.force === true,
  };
}
