import type { Command } from "commander";
import { type Bind, leaf } from "./leaf.ts";

export function addClean(program: Command, bind: Bind): void {
  const clean = leaf(program, "clean", "End what verlpool started here for this root, and remove what dead agents left; nothing else", [
    "verlpool clean --dry-run",
    "verlpool clean --root ./pool",
  ]);
  clean
    .option("--config <file>", "the configuration; else VERLPOOL_CONFIG, else <root>/common/verlpool/verlpool.yaml")
    .option("--root <dir>", "the pool's shared storage; else VERLPOOL_ROOT, else /private")
    .option("--cluster <name>", "the cluster in discovery; else pool.cluster")
    .option("--state-dir <dir>", "where the agents keep what belongs to this machine")
    .option("--dry-run", "say what would be done, and do nothing")
    .action((flags: { config?: string; root?: string; cluster?: string; stateDir?: string; dryRun?: true }) =>
      bind((session) =>
        session.world.local.clean({
          config: flags.config ?? null,
          root: flags.root ?? null,
          cluster: flags.cluster ?? null,
          stateDir: flags.stateDir ?? null,
          dryRun: flags.dryRun === true,
        }),
      ),
    );
}
