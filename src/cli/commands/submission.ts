/** The options that a submission has, shared by submit and plan. */
import type { Command } from "commander";
import { MAX_SPEC_BYTES } from "../../contract/routes.ts";
import { instantValue, labelValue, parseDuration, wholeNumber } from "../parse-values.ts";
import { CliError, EXIT, usageError } from "../problem-error.ts";
import type { Session } from "../session.ts";
import type { SpecSource } from "../spec-errors.ts";
import { visible } from "../visible.ts";

/** As commander gives them. */
export type SubmissionFlags = {
  readonly profile?: string;
  readonly name?: string;
  readonly priority?: number;
  readonly label?: readonly string[];
  readonly maxRuntime?: number;
  readonly deadline?: string;
  readonly user?: string;
};

export function addSubmissionOptions(command: Command): Command {
  return command
    .option("--profile <profile>", "an operator's profile (verlpool profiles)")
    .option("--name <name>", "a name for people")
    .option("--priority <n>", "-100 to 100, bigger is sooner, up to your limit", wholeNumber(-100, 100))
    .option("--label <k=v>", "a label (repeat)", labelValue)
    .option("--max-runtime <time>", "end it after so long RUNNING: 8h, 90m", parseDuration)
    .option("--deadline <time>", "end it at this instant: 2026-08-01T18:00:00Z, or +12h")
    .option("--user <user>", "admin: on behalf of this user");
}

export function submissionQuery(flags: SubmissionFlags, now: number) {
  return {
    name: flags.name,
    profile: flags.profile,
    priority: flags.priority,
    label: flags.label,
    max_runtime_s: flags.maxRuntime,
    deadline: flags.deadline === undefined ? undefined : instantValue(flags.deadline, now),
    user: flags.user,
  };
}

export type SpecFile = { readonly bytes: Uint8Array; readonly source: SpecSource };

/** Reads a TaskSpec: a file, or `-` for stdin. */
export async function readSpec(session: Session, file: string): Promise<SpecFile> {
  const { files, stdin } = session.world;
  const bytes = file === "-" ? await stdin.readAll(MAX_SPEC_BYTES) : await files.readInput(file, MAX_SPEC_BYTES);
  if (bytes === null) throw usageError(`there is no file ${visible(file)}`, "write one to start from: verlpool template ppo > ppo.yaml");
  if (bytes.length > MAX_SPEC_BYTES)
    throw new CliError("too_large", `${visible(file)} is larger than a TaskSpec may be (16 KiB)`, EXIT.error, ["is it the right file?"]);
  return { bytes, source: { file: file === "-" ? "<stdin>" : file, text: new TextDecoder().decode(bytes) } };
}

export async function sayWarnings(
  session: Session,
  file: string,
  warnings: readonly { readonly field: string | null; readonly text: string }[],
): Promise<void> {
  for (const { field, text } of warnings)
    await session.say(
      `${session.paintTalk("yellow", "warning:")} ${visible(file)}: ${field === null ? "" : `${visible(field)}: `}${visible(text)}`,
    );
}
