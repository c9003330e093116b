/** Two tasks side by side, as rows of what differs: what was asked, the settings that verl was given, and what came of it. */
import type { TaskWire } from "../../../src/contract/resources.ts";
import { duration, metric } from "../format.ts";

export type Part = "spec" | "submission" | "settings" | "outcome";
export type Row = { readonly part: Part; readonly key: string; readonly a: string | null; readonly b: string | null };
/** A task with the command line of its newest attempt; empty before the first one, or when its files are gone. */
export type Side = { readonly task: TaskWire; readonly argv: readonly string[] };

/** Where an attempt writes is its own, and says nothing of what it trains. */
const OWN_SETTINGS = /^(?:trainer\.(?:experiment_name|default_local_dir|resume_from_path)|hydra\.run\.dir)$/;

export function rowsOf(a: Side, b: Side): readonly Row[] {
  const [left, right] = [factsOf(a), factsOf(b)];
  return (["spec", "submission", "settings", "outcome"] as const).flatMap((part) => {
    const keys = [...new Set([...left[part].keys(), ...right[part].keys()])];
    return keys.map((key): Row => ({ part, key, a: left[part].get(key) ?? null, b: right[part].get(key) ?? null }));
  });
}

type Facts = ReadonlyMap<string, string | null>;

function factsOf({ task, argv }: Side): { readonly [part in Part]: Facts } {
  const labels = Object.entries(task.labels).map(([key, value]) => `${key}=${value}`);
  const ran = task.started_at === null || task.ended_at === null ? null : Date.parse(task.ended_at) - Date.parse(task.started_at);
  const { progress } = task;
  return {
    spec: facts(task.spec),
    submission: facts({
      profile: task.profile,
      user: task.user_id,
      priority: task.priority,
      labels: labels.length === 0 ? null : labels.join(" "),
      max_runtime_s: task.max_runtime_s,
      retry_of: task.retry_of,
    }),
    settings: new Map(argv.flatMap(settingOf)),
    outcome: facts({
      state: task.state,
      failure: task.failure?.label ?? null,
      steps: progress?.step ?? null,
      [progress?.metric?.key ?? "metric"]: progress?.metric == null ? null : metric(progress.metric.value),
      attempts: task.attempts,
      ran: ran === null ? null : duration(ran),
    }),
  };
}

function facts(values: { readonly [key: string]: unknown }): Facts {
  return new Map(
    Object.entries(values).map(([key, value]) => [
      key,
      value === null || value === undefined ? null : typeof value === "string" ? value : JSON.stringify(value),
    ]),
  );
}

/** `trainer.total_epochs=2`: one of verl's settings. */
function settingOf(word: string): readonly (readonly [string, string])[] {
  const at = word.indexOf("=");
  return at <= 0 || OWN_SETTINGS.test(word.slice(0, at)) ? [] : [[word.slice(0, at), word.slice(at + 1)]];
}
