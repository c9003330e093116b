/** A checkpoint as a Hugging Face folder: made on the pool, and with --output copied here. */
import type { Command } from "commander";
import type { ArtifactsWire, ExportWire } from "../../contract/artifacts.ts";
import type { Api } from "../client.ts";
import { bytesText } from "../output.ts";
import { taskIdText, wholeNumber } from "../parse-values.ts";
import { CliError, EXIT, usageError } from "../problem-error.ts";
import { interruptible } from "../patience.ts";
import { resolveTask } from "../resolve-task.ts";
import type { Session } from "../session.ts";
import { visible } from "../visible.ts";
import { type Bind, JSON_OPTION, leaf } from "./leaf.ts";
import { attend } from "./submit.ts";

export type ExportOptions = {
  readonly id: string;
  readonly step: number | null;
  readonly output: string | null;
  readonly detach: boolean;
  readonly json: boolean;
};

/** What one call of the API answers at most. */
const PART_BYTES = 8 * 1024 * 1024;
const NEVER = new AbortController().signal;

export async function runExport(session: Session, options: ExportOptions): Promise<number> {
  const { output, detach, json } = options;
  if (output !== null && detach) throw usageError("--detach waits for nothing that --output could copy");
  if (output !== null && (await session.world.files.list(output)).length > 0)
    throw usageError(`${output} is not empty`, "name a folder that is new or empty");
  const api = await session.api();
  const { task_id: of } = await resolveTask(api, options.id);
  const { value, raw } = await api.call("exportTask", {
    path: { task_id: of },
    query: options.step === null ? {} : { step: String(options.step) },
    about: of,
  });
  for (const note of value.notes) await session.say(visible(note));
  if (json) await session.printJsonLine(raw);
  if (value.task !== null) {
    const end = await waitFor(session, api, value, value.task.task_id, detach);
    if (end !== 0 || detach) return end;
  }
  if (output !== null) return download(session, api, of, value, output);
  if (!json) await session.print(visible(value.location));
  return 0;
}

async function waitFor(session: Session, api: Api, { step }: ExportWire, taskId: string, detach: boolean): Promise<number> {
  await session.say(`step ${step} is exported by task ${visible(taskId)}`);
  if (detach) {
    await session.say(`  verlpool wait ${visible(taskId)}`);
    return 0;
  }
  return attend(session, api, [taskId], { wait: true, follow: false, json: false });
}

/** Every file of the folder, in parts; each appears here whole or not at all. */
async function download(session: Session, api: Api, taskId: string, { submission_id, step }: ExportWire, output: string): Promise<number> {
  const { value } = await api.call("listArtifacts", { path: { task_id: taskId }, about: taskId });
  const inside = `/export/step_${step}/`;
  const files = value.artifacts.filter((one) => one.submission_id === submission_id && one.path.includes(inside));
  if (files.length === 0) throw new CliError("not_found", "the exported folder is gone; export it again", EXIT.error, []);
  const work = async (signal: AbortSignal): Promise<number> => {
    for (const file of files) {
      const name = file.path.slice(file.path.indexOf(inside) + inside.length);
      // A job may have put files of any name there.
      if (name.split("/").some((part) => part === "" || part === "." || part === "..")) continue;
      await session.say(`${visible(name)}  ${bytesText(file.bytes)}`);
      await session.world.files.writeParts(`${output}/${name}`, parts(api, taskId, file, signal));
    }
    if (value.truncated) await session.say("there are more files than the API lists; copy the folder from shared storage");
    await session.print(visible(output));
    return 0;
  };
  return interruptible(session.world, work, async () => {
    await session.say(`interrupted; what is in ${visible(output)} is not all of it`);
    return EXIT.interrupted;
  });
}

async function* parts(
  api: Api,
  taskId: string,
  { path, bytes: size }: ArtifactsWire["artifacts"][number],
  signal: AbortSignal = NEVER,
): AsyncGenerator<Uint8Array> {
  for (let offset = 0; offset < size;) {
    const { bytes } = await api.bytes("readArtifact", { path: { task_id: taskId, path }, query: { offset: String(offset) }, signal });
    if (bytes.length === 0 || bytes.length > PART_BYTES)
      throw new CliError("changed", `${visible(path)} changed while it was copied; copy it again`, EXIT.error, []);
    yield bytes;
    offset += bytes.length;
  }
}

export function addExport(program: Command, bind: Bind): void {
  leaf(
    program,
    "export <id>",
    "Merge a checkpoint into a Hugging Face folder, on a worker of the pool; waits for it and prints where it lies",
    ["verlpool export 3d4c", "verlpool export 3d4c --step 40", "verlpool export 3d4c --output ./model"],
  )
    .option("--step <n>", "not the newest complete checkpoint, but that of this step", wholeNumber(1, 999_999_999))
    .option("--output <dir>", "copy the folder here over HTTP, and print this path")
    .option("--detach", "do not wait for it")
    .option(...JSON_OPTION)
    .action((id: string, flags: { step?: number; output?: string; detach?: true; json?: true }) =>
      bind((session) =>
        runExport(session, {
          id: taskIdText(id),
          step: flags.step ?? null,
          output: flags.output ?? null,
          detach: flags.detach === true,
          json: flags.json === true,
        }),
      ),
    );
}
