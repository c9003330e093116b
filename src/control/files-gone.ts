/** What is said where the files of a task are asked for, and retention has given them up. */
import { AppError } from "../domain/app-error.ts";
import type { Task } from "../domain/types.ts";

type Gone = Pick<Task, "filesGoneAt">;

export function goneText({ filesGoneAt }: Gone): string {
  return `the files of this task (logs, metrics, checkpoints) were removed on ${new Date(filesGoneAt ?? 0).toISOString()} by the pool's retention; its record is kept`;
}

/** Throws files_gone. */
export function checkFiles(task: Gone): void {
  if (task.filesGoneAt !== null) throw new AppError("files_gone", goneText(task));
}
