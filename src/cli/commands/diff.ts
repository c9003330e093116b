/** Two tasks side by side: what was asked, with which code and data, the settings that verl was given, and what came of it. */
import type { Command } from "commander";
import type { WhyWire } from "../../contract/insight.ts";
import type { TaskWire } from "../../contract/resources.ts";
import type { EventView } from "../answers.ts";
import type { Api } from "../client.ts";
import { spanText, table } from "../output.ts";
import { taskIdText } from "../parse-values.ts";
import { isProblem, parseJson } from "../problem-error.ts";
import { resolveTask } from "../resolve-task.ts";
import { type Session, widthOf } from "../session.ts";
import { visible } from "../visible.ts";
import { type Bind, JSON_OPTION, leaf } from "./leaf.ts";

export type DiffOptions = { readonly a: string; readonly b: string; readonly all: boolean; readonly json: boolean };

type Part = "spec" | "submission" | "code and data" | "settings" | "outcome";
type Row = { readonly part: Part; readonly key: string; readonly a: string | null; readonly b: string | null };
type Facts = ReadonlyMap<string, string | null>;
type Side = { readonly task: TaskWire; readonly facts: { readonly [part in Part]: Facts } };

const PARTS: readonly Part[] = ["spec", "submission", "code and data", "settings", "outcome"];
/** Where an attempt writes is its own, and says nothing of what it trains. */
const OWN_SETTINGS = /^(?:trainer\.(?:experiment_name|default_local_dir|resume_from_path)|hydra\.run\.dir)$/;

export async function runDiff(session: Session, options: DiffOptions): Promise<number> {
  const api = await session.api();
  const now = session.world.clock.now();
  const [a, b] = [await readSide(api, options.a, now), await readSide(api, options.b, now)];
  const rows = PARTS.flatMap((part) => compare(part, a.facts[part], b.facts[part]));
  const differing = rows.filter((row) => row.a !== row.b);
  const shown = options.all ? rows : differing;
  if (options.json) {
    const wire = shown.map((row) => ({ part: row.part, key: row.key, a: row.a, b: row.b, same: row.a === row.b }));
    await session.printJson({ a: a.task.task_id, b: b.task.task_id, rows: wire });
    return 0;
  }
  await session.say(`a  ${visible(a.task.task_id)}\nb  ${visible(b.task.task_id)}\n`);
  if (shown.length === 0) await session.say("they were asked, given and came to the same");
  else await session.print(diffText(session, shown));
  const same = rows.length - differing.length;
  if (!options.all && same > 0) await session.say(`\n${same} more are the same: --all`);
  return 0;
}

function diffText(session: Session, rows: readonly Row[]): string {
  let last = "";
  const cells = rows.map(({ part, key, a, b }) => {
    const title = part === last ? "" : part;
    last = part;
    return [title, key, a ?? "-", b ?? "-"];
  });
  const columns = [{ title: "" }, { title: "WHAT", min: 12 }, { title: "A", min: 16 }, { title: "B", min: 16 }];
  return table(columns, cells, session.paint, widthOf(session));
}

function compare(part: Part, a: Facts, b: Facts): readonly Row[] {
  const keys = [...new Set([...a.keys(), ...b.keys()])];
  return keys.map((key) => ({ part, key, a: a.get(key) ?? null, b: b.get(key) ?? null }));
}

async function readSide(api: Api, text: string, now: number): Promise<Side> {
  const task = await resolveTask(api, text);
  const path = { task_id: task.task_id };
  const { value: why } = await api.call("explainTask", { path });
  const { value: events } = await api.call("listEvents", { path, query: { limit: 1 } });
  return {
    task,
    facts: {
      spec: facts(task.spec),
      submission: submissionFacts(task),
      "code and data": identityFacts(events.events.find((event) => event.type === "created")),
      settings: await settingsOf(api, task),
      outcome: outcomeFacts(task, why, now),
    },
  };
}

function facts(values: { readonly [key: string]: unknown }): Facts {
  return new Map(Object.entries(values).map(([key, value]) => [key, value === null || value === undefined ? null : textOf(value)]));
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}

function submissionFacts({ profile, priority, labels, deadline, max_runtime_s, retry_of, user_id }: TaskWire): Facts {
  const named = Object.entries(labels).map(([key, value]) => `${key}=${value}`);
  return facts({
    profile,
    user: user_id,
    priority,
    labels: named.length === 0 ? null : named.join(" "),
    deadline,
    max_runtime_s,
    retry_of,
  });
}

/** As they were at submission: a file of the same name may be another one today. */
function identityFacts(created: EventView | undefined): Facts {
  const { verl_version, train_file, val_file } = (created?.data ?? {}) as { readonly [key: string]: unknown };
  const file = (value: unknown): string | null => {
    if (typeof value !== "object" || value === null) return null;
    const { rows, bytes, modified_at } = value as { readonly [key: string]: unknown };
    return `${textOf(rows ?? "?")} rows, ${textOf(bytes)} bytes, of ${textOf(modified_at)}`;
  };
  return facts({ verl_version: verl_version ?? null, train_file: file(train_file), val_file: file(val_file) });
}

/** The overrides of the newest attempt's command line; none before the first one, or when its files are gone. */
async function settingsOf(api: Api, { task_id, attempts }: TaskWire): Promise<Facts> {
  if (attempts === 0) return new Map();
  try {
    const name = `a${String(attempts).padStart(2, "0")}/config/argv.json`;
    const { bytes } = await api.bytes("readArtifact", { path: { task_id, path: name } });
    const argv = parseJson(new TextDecoder().decode(bytes));
    const words = Array.isArray(argv) ? argv.filter((word): word is string => typeof word === "string") : [];
    const pairs = words.flatMap((word) => {
      const at = word.indexOf("=");
      return at <= 0 || OWN_SETTINGS.test(word.slice(0, at)) ? [] : [[word.slice(0, at), word.slice(at + 1)] as const];
    });
    return new Map(pairs);
  } catch (error) {
    if (isProblem(error, "not_found", "storage_unavailable")) return new Map();
    throw error;
  }
}

function outcomeFacts(task: TaskWire, why: WhyWire, now: number): Facts {
  const metric = why.ended?.metric ?? why.running?.metric ?? null;
  const step = why.ended?.step ?? why.running?.step ?? task.progress?.step ?? null;
  const read = (value: number): number => Number(value.toPrecision(4));
  return facts({
    state: task.state,
    failure: task.failure?.label ?? null,
    steps: step,
    [metric?.key ?? "metric"]: metric === null ? null : `${read(metric.first)} → ${read(metric.last)}, best ${read(metric.best)}`,
    attempts: task.attempts,
    "from start to end": task.started_at === null ? null : spanText(task.started_at, task.ended_at, now),
  });
}

export function addDiff(program: Command, bind: Bind): void {
  leaf(program, "diff <a> <b>", "Two tasks side by side: spec, profile, code and data, settings, outcome", [
    "verlpool diff 3d4c 8f21",
    "verlpool diff 3d4c 8f21 --all",
  ])
    .option("--all", "also what is the same")
    .option(...JSON_OPTION)
    .action((a: string, b: string, flags: { all?: true; json?: true }) =>
      bind((session) => runDiff(session, { a: taskIdText(a), b: taskIdText(b), all: flags.all === true, json: flags.json === true })),
    );
}
