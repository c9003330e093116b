/** Admin: the end of an attempt that nobody but a person can vouch for. */
import type { Command } from "commander";
import { usageError } from "../problem-error.ts";
import type { Session } from "../session.ts";
import { visible } from "../visible.ts";
import { type Bind, JSON_OPTION, leaf } from "./leaf.ts";

export type DeclareDeadOptions = {
  readonly submissionId: string;
  readonly nodeIsOff: boolean;
  readonly reason: string;
  readonly json: boolean;
};

export async function runDeclareDead(session: Session, options: DeclareDeadOptions): Promise<number> {
  const { submissionId, reason } = options;
  if (!options.nodeIsOff)
    throw usageError(
      "say --node-is-off once you have made sure that the attempt's nodes are off or restarted: a process that still lives there would run beside the next attempt",
    );
  const api = await session.api();
  const { value, raw } = await api.call("declareDead", { path: { submission_id: submissionId }, json: { reason }, about: submissionId });
  if (options.json) await session.printJson(raw);
  else await session.print(`${visible(value.submission_id)}  declared dead; the next pass of the scheduler ends it`);
  return 0;
}

export function addAttempt(program: Command, bind: Bind): void {
  const attempt = program.command("attempt").description("Admin: attempts of tasks");
  leaf(attempt, "declare-dead <submission-id>", "End a silent attempt whose nodes you know to be off", [
    "verlpool attempt declare-dead mvp2-alice-grpo-20260101-120000-0f3a9c2e--a01 --node-is-off --reason 'w3 was taken out of the rack'",
  ])
    .option("--node-is-off", "you have made sure that nothing of it can still run")
    .requiredOption("--reason <text>", "why it is dead, for the audit trail and the task's events")
    .option(...JSON_OPTION)
    .action((submissionId: string, flags: { nodeIsOff?: true; reason: string; json?: true }) =>
      bind((session) =>
        runDeclareDead(session, { submissionId, nodeIsOff: flags.nodeIsOff === true, reason: flags.reason, json: flags.json === true }),
      ),
    );
}
