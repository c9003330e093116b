/** How a task ended, as an exit code and in words. */
import type { TaskWire } from "../contract/resources.ts";
import { paintState, spanText } from "./output.ts";
import { EXIT } from "./problem-error.ts";
import type { Session } from "./session.ts";
import { visible } from "./visible.ts";

const EXIT_OF_STATE: { readonly [state: string]: number } = { SUCCEEDED: EXIT.ok, FAILED: EXIT.failed, CANCELED: EXIT.canceled };

export function hasEnded(state: string): boolean {
  return Object.hasOwn(EXIT_OF_STATE, state);
}

/** 0, 100, 103; 101 while it has not ended. */
export function exitOfState(state: string): number {
  return Object.hasOwn(EXIT_OF_STATE, state) ? (EXIT_OF_STATE[state] ?? EXIT.notFinished) : EXIT.notFinished;
}

/** Of several tasks: not finished says more than failed, failed more than canceled. */
export function worstExit(codes: readonly number[]): number {
  const order: readonly number[] = [EXIT.notFound, EXIT.notFinished, EXIT.failed, EXIT.canceled];
  return order.find((code) => codes.includes(code)) ?? codes.find((code) => code !== 0) ?? 0;
}

export function failureLines(task: Pick<TaskWire, "failure">): readonly string[] {
  const { failure } = task;
  if (failure === null) return [];
  return [
    visible(`${failure.text} [${failure.label}, blame: ${failure.blame}]`),
    ...(failure.fix === "" ? [] : [visible(`what to do: ${failure.fix}`)]),
  ];
}

export async function sayEnd(session: Session, task: TaskWire): Promise<void> {
  const ran = task.started_at === null ? "" : ` after ${spanText(task.started_at, task.ended_at, session.world.clock.now())}`;
  await session.say(`${visible(task.task_id)}  ${paintState(session.paintTalk, task.state)}${ran}`);
  for (const line of failureLines(task)) await session.say(`  ${line}`);
  // What an export made lies with the task that it is of.
  if (task.state === "SUCCEEDED" && task.attempt !== null && task.export_of === null)
    await session.say(`  results: ${visible(task.attempt.job_dir)}`);
}
