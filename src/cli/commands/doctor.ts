import type { Command } from "commander";
import { type Bind, leaf } from "./leaf.ts";

export function addDoctor(program: Command, bind: Bind): void {
  leaf(program, "doctor", "Look at storage, machine, database and pool: what is wrong, what that means, and what to do", [
    "verlpool doctor --root /private",
    "verlpool doctor --json | jq '.checks[] | select(.status == \"fail\")'",
  ])
    .option("--config <file>", "the configuration; else VERLPOOL_CONFIG, else <root>/common/verlpool/verlpool.yaml")
    .option("--root <dir>", "where the shared storage is seen here; else VERLPOOL_ROOT, else /private")
    .option("--cluster <name>", "the cluster in discovery; else pool.cluster")
    .option("--no-job", "give Ray no job; then a worker's file can't be proven")
    .option("--json", "print one object")
    .action((flags: { config?: string; root?: string; cluster?: string; job: boolean; json?: true }) =>
      bind((session) =>
        session.world.local.doctor({
          config: flags.config ?? null,
          root: flags.root ?? null,
          cluster: flags.cluster ?? null,
          withJob: flags.job,
          json: flags.json === true,
        }),
      ),
    );
}
