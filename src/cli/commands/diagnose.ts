import type { Command } from "commander";
import type { Diagnosis } from "../../domain/diagnosis/diagnose.ts";
import { CliError, EXIT, usageError } from "../problem-error.ts";
import type { Session } from "../session.ts";
import { visible } from "../visible.ts";
import type { DiagnoseOptions } from "../world.ts";
import { type Bind, JSON_OPTION, leaf } from "./leaf.ts";

/** Reads the log here, without a server; 0 also when nothing is known, since that is an answer. */
export async function runDiagnose(session: Session, options: DiagnoseOptions & { readonly json: boolean }): Promise<number> {
  const diagnosis = await read(session, options);
  if (options.json) await session.printJson(diagnosis);
  else await session.print(diagnosisText(session, diagnosis));
  return EXIT.ok;
}

async function read(session: Session, options: DiagnoseOptions): Promise<Diagnosis> {
  try {
    return await session.world.diagnose(options);
  } catch (error) {
    const code = error instanceof Error ? String((error as { code?: unknown }).code) : "";
    const file = visible(options.log);
    if (code === "ENOENT" || code === "ENOTDIR")
      throw usageError(`there is no file ${file}`, "--log takes the path of a log, or - for stdin");
    if (code === "EISDIR") throw usageError(`${file} is a folder`, "--log takes the path of a log, or - for stdin");
    if (code === "EACCES") throw new CliError("unreadable", `${file} may not be read`, EXIT.error, ["look at its mode: ls -l"]);
    throw error;
  }
}

function diagnosisText(session: Session, { label, blame, retryable, evidence, explanation, fix }: Diagnosis): string {
  const known = label !== "unknown";
  const again = retryable ? "is tried again by itself" : "is not tried again";
  const head = known ? `${session.paint("bold", label)}  blame: ${blame}; ${again}` : session.paint("bold", label);
  const width = Math.max(0, ...evidence.map(({ line }) => placeText(line).length));
  const lines = evidence.map(({ line, text }) => `  ${placeText(line).padStart(width)} | ${visible(text)}`);
  return [head, ...lines, "", visible(explanation), "", `What to do: ${visible(fix)}`].join("\n");
}

const placeText = (line: number | null): string => (line === null ? "Ray" : `${line}`);

export function addDiagnose(program: Command, bind: Bind): void {
  leaf(program, "diagnose", "Why a run failed, from its log: label, evidence and what to do", [
    "verlpool diagnose --log driver.log",
    "verlpool logs 3d4c | verlpool diagnose --log -",
    "verlpool diagnose --log driver.log --ray-message 'Job entrypoint command failed with exit code 1' --json",
  ])
    .requiredOption("--log <file>", "the log; - is stdin")
    .option("--ray-message <text>", "what Ray says of the job, if you have it", "")
    .option(...JSON_OPTION)
    .action((options: { log: string; rayMessage: string; json?: true }) =>
      bind((session) => runDiagnose(session, { log: options.log, rayMessage: options.rayMessage, json: options.json === true })),
    );
}
