/** From a task to what its attempt runs: the profile, the argv and the environment. Implemented in main/ over domain/verl and the profile files. */
import type { PreflightProfile } from "../domain/preflight.ts";
import type { Attempt, Needs, ProfileRef, Task, TaskSpec, Workload } from "../domain/types.ts";

export type Command = {
  readonly argv: readonly string[];
  readonly env: { readonly [key: string]: string };
  readonly needs: Needs;
  readonly profileText: string;
  /** Directory the driver runs in, as the job sees it. */
  readonly cwd: string;
  readonly entrypoint: string;
  /** The content of control/attempt.json. */
  readonly attemptJson: object;
};

export type ProfileChoice = {
  readonly profile: ProfileRef;
  readonly needs: Needs;
  readonly settings: PreflightProfile["settings"];
  readonly keepCheckpoints: number | null;
  readonly warnings: readonly { readonly code: string; readonly field: string | null; readonly text: string }[];
};

export type ProfileView = {
  readonly name: string;
  readonly workload: Workload;
  readonly verl: readonly string[];
  readonly exclusive: boolean;
  readonly description: string;
  readonly builtin: boolean;
  readonly text: string;
};

export type CommandSource = {
  /** Chooses by name, or the built-in one of the workload and verl version. Throws AppError unknown_profile or unsupported_verl. */
  readonly choose: (spec: TaskSpec, profileName: string | null) => Promise<ProfileChoice>;
  readonly build: (
    task: Pick<Task, "taskId" | "userId" | "spec" | "profile" | "exportOf">,
    submissionId: string,
    attempt: number,
    raySession: string | null,
    resume: Attempt["resumedFrom"],
    /** When the task's time is over, as far as it can be known at the start of this attempt; null = it has no limit. */
    deadline: number | null,
  ) => Promise<Command>;
  readonly list: () => Promise<readonly ProfileView[]>;
};
