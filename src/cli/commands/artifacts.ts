/** What a task left on shared storage; a small file can be had here. */
import type { Command } from "commander";
import type { ArtifactsWire } from "../../contract/artifacts.ts";
import { bytesText, relativeTime, table } from "../output.ts";
import { resolveTask } from "../resolve-task.ts";
import { type Session, widthOf } from "../session.ts";
import { logForTerminal, visible } from "../visible.ts";
import { taskIdText } from "../parse-values.ts";
import { type Bind, JSON_OPTION, leaf } from "./leaf.ts";

export type ArtifactsOptions = { readonly id: string; readonly path: string | null; readonly json: boolean };

function artifactsText(session: Session, value: ArtifactsWire): string {
  const now = session.world.clock.now();
  const rows = value.artifacts.map((one) => [
    one.path,
    one.kind,
    bytesText(one.bytes),
    relativeTime(one.modified_at, now),
    one.complete === true ? "complete" : one.complete === false ? `not complete: ${one.why ?? ""}` : "",
  ]);
  const columns = [
    { title: "PATH", min: 16 },
    { title: "KIND" },
    { title: "SIZE", align: "right" as const },
    { title: "WRITTEN" },
    { title: "CHECKPOINT", min: 10 },
  ];
  return table(columns, rows, session.paint, widthOf(session));
}

export async function runArtifacts(session: Session, options: ArtifactsOptions): Promise<number> {
  const api = await session.api();
  const { task_id: taskId } = await resolveTask(api, options.id);
  if (options.path !== null) return download(session, taskId, options.path);
  const { value, raw } = await api.call("listArtifacts", { path: { task_id: taskId }, about: taskId });
  if (options.json) {
    await session.printJson(raw);
    return 0;
  }
  if (value.artifacts.length === 0)
    await session.say(`${visible(taskId)} has left no files${value.gone_attempts.length > 0 ? ": they were removed" : ""}`);
  else {
    await session.print(artifactsText(session, value));
    const [first] = value.artifacts;
    const folder = first?.location.split("/").slice(0, 6).join("/") ?? "";
    await session.say(
      `\n${bytesText(value.total_bytes)} in all, under ${visible(folder)}; a file: verlpool artifacts ${visible(taskId)} PATH`,
    );
  }
  if (value.truncated) await session.say("there are more files than are shown");
  for (const attempt of value.gone_attempts) await session.say(`the directory of attempt ${attempt} was removed`);
  return 0;
}

/** Exact bytes to a file or pipe; to a terminal only what can't act on it. */
async function download(session: Session, taskId: string, path: string): Promise<number> {
  const { stdout } = session.world;
  const api = await session.api();
  const { bytes } = await api.bytes("readArtifact", { path: { task_id: taskId, path }, about: `${taskId} ${path}` });
  if (!stdout.isTTY) {
    await stdout.write(bytes);
    return 0;
  }
  const shown = logForTerminal();
  await stdout.write(shown.push(bytes) + shown.flush());
  return 0;
}

export function addArtifacts(program: Command, bind: Bind): void {
  leaf(
    program,
    "artifacts <id> [path]",
    "Checkpoints, configuration and debug files with their sizes and places; with a path, the bytes of that file",
    ["verlpool artifacts 3d4c", "verlpool artifacts 3d4c a01/config/argv.json > argv.json"],
  )
    .option(...JSON_OPTION)
    .action((id: string, path: string | undefined, flags: { json?: true }) =>
      bind((session) => runArtifacts(session, { id: taskIdText(id), path: path ?? null, json: flags.json === true })),
    );
}
