import type { Command } from "commander";
import { templateText, type Workload, WORKLOAD_TITLES, WORKLOADS } from "../../contract/template.ts";
import type { Session } from "../session.ts";
import { type Bind, leaf } from "./leaf.ts";

export async function runTemplate(session: Session, workload: Workload): Promise<number> {
  await session.world.stdout.write(templateText(workload));
  return 0;
}

export function addTemplate(program: Command, bind: Bind): void {
  const template = program.command("template").usage(WORKLOADS.join("|")).description("A commented TaskSpec to start from, on stdout");
  for (const workload of WORKLOADS)
    leaf(template, workload, WORKLOAD_TITLES[workload], [`verlpool template ${workload} > ${workload}.yaml`]).action(() =>
      bind((session) => runTemplate(session, workload)),
    );
}
