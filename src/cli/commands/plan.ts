import type { Command } from "commander";
import type { PlanWire } from "../../contract/plan.ts";
import { bytesText, sheet, shellWord, table } from "../output.ts";
import { type Session, widthOf } from "../session.ts";
import { startEstimate } from "./task-words.ts";
import { visible } from "../visible.ts";
import { type Bind, JSON_OPTION, leaf } from "./leaf.ts";
import { addSubmissionOptions, readSpec, sayWarnings, type SubmissionFlags, submissionQuery } from "./submission.ts";

export type PlanOptions = { readonly file: string; readonly flags: SubmissionFlags; readonly json: boolean };

const VERDICT: { readonly [verdict: string]: string } = {
  now: "it fits now",
  later: "it fits the pool, and waits until enough is free",
  impossible: "no node known now is large enough; it would wait for one",
  unknown: "not known: the pool does not answer",
};

/** `3072 rows in batches of 256: 12 steps an epoch, 24 in all; 2 checkpoints of about 7.2 GiB, 2 kept` */
function trainingText(training: PlanWire["training"]): string {
  if (training === null) return "not known: storage does not answer";
  const { train_rows: rows, train_batch_size: batch, steps_per_epoch: epoch, total_steps: steps } = training;
  const data = rows === null ? [] : [`${rows} rows${batch === null ? "" : ` in batches of ${batch}`}`];
  const length = epoch === null || steps === null ? [] : [`${epoch} steps an epoch, ${steps} in all`];
  const { checkpoints, checkpoints_kept: kept, checkpoint_bytes: bytes } = training;
  const size = bytes === null ? "" : ` of about ${bytesText(bytes)}`;
  const saved =
    checkpoints === null ? [] : [`${checkpoints} checkpoint${checkpoints === 1 ? "" : "s"}${size}, ${kept ?? checkpoints} kept`];
  const all = [...data, ...length, ...saved];
  return all.length === 0 ? "not known" : all.join("; ");
}

function planText(session: Session, plan: PlanWire): string {
  const now = session.world.clock.now();
  const { needs, fit, estimate } = plan;
  const verdict = Object.hasOwn(VERDICT, fit.verdict) ? VERDICT[fit.verdict] : fit.verdict;
  const start = startEstimate({ estimate }, now);
  const head = sheet(
    [
      ["profile", visible(`${plan.profile.name} (verl ${plan.profile.verl_version})`)],
      ["needs", `${needs.nodes} × ${needs.gpus_per_node} GPU, ${needs.cpus_per_node} CPU a node`],
      ["fit", visible(verdict ?? "")],
      ["training", trainingText(plan.training)],
      ["position", `${plan.position} in the queue${start === "" ? "" : `, starts ${start}`}`],
    ],
    session.paint,
  );
  const nodes = fit.per_node.map((node) => [
    node.node,
    String(node.gpus_free),
    String(node.cpus_free),
    node.fits ? "fits" : "no",
    node.why ?? "",
  ]);
  const columns = [
    { title: "NODE", min: 8 },
    { title: "GPUS FREE", align: "right" as const },
    { title: "CPUS FREE", align: "right" as const },
    { title: "FITS" },
    { title: "WHY NOT", min: 10 },
  ];
  const env = Object.entries(plan.env).map(([name, value]) => `  ${visible(name)}=${visible(shellWord(value))} \\`);
  const command = plan.argv.map((word) => `  ${visible(shellWord(word))}`).join(" \\\n");
  return [
    head,
    ...(nodes.length === 0 ? [] : ["", table(columns, nodes, session.paint, widthOf(session))]),
    "",
    session.paint("bold", "command"),
    ...env,
    command,
  ].join("\n");
}

export async function runPlan(session: Session, options: PlanOptions): Promise<number> {
  const query = submissionQuery(options.flags, session.world.clock.now());
  const { bytes, source } = await readSpec(session, options.file);
  const api = await session.api();
  try {
    const { value, raw } = await api.call("planTask", { yaml: bytes, query, about: source.file });
    if (options.json) {
      await session.printJson(raw);
      return 0;
    }
    await sayWarnings(session, source.file, value.warnings);
    await session.print(planText(session, value));
    await session.say(`\nnothing was submitted; to do so: verlpool submit ${visible(shellWord(options.file))}`);
    return 0;
  } catch (error) {
    return session.report(error, source);
  }
}

export function addPlan(program: Command, bind: Bind): void {
  const command = leaf(
    program,
    "plan <file>",
    "All checks of a submission, without submitting: the command, whether it fits, the queue position",
    ["verlpool plan ppo.yaml", "verlpool plan ppo.yaml --profile grpo-7b-long --json"],
  );
  addSubmissionOptions(command)
    .option(...JSON_OPTION)
    .action((file: string, flags: SubmissionFlags & { json?: true }) =>
      bind((session) => runPlan(session, { file, flags, json: flags.json === true })),
    );
}
