import type { Command } from "commander";
import type { WhyWire } from "../../contract/insight.ts";
import { durationText, paintState, relativeTime, sheet } from "../output.ts";
import { taskIdText } from "../parse-values.ts";
import { EXIT } from "../problem-error.ts";
import { type Session, widthOf } from "../session.ts";
import { cut, visible } from "../visible.ts";
import { type Bind, JSON_OPTION, leaf } from "./leaf.ts";

/** A screen is 24 lines: no part may fill it alone. */
const SHOWN_NODES = 4;
const SHOWN_LINES = 3;

type Pair = readonly [label: string, value: string | null];

function numberText(value: number): string {
  return Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(3)));
}

function range(low: string, high: string | null, now: number): string {
  const from = Date.parse(low) - now;
  const soon = from < 1_000 ? "now" : `in ${durationText(from)}`;
  if (high === null) return `${soon} or later`;
  const [a, b] = [durationText(Math.max(0, from)), durationText(Math.max(0, Date.parse(high) - now))];
  return a === b ? soon : `${soon} to ${b}`;
}

function metricText(metric: { key: string; first: number; last: number; best: number } | null): string | null {
  if (metric === null) return null;
  const best = metric.best === metric.last ? "" : ` (best ${numberText(metric.best)})`;
  return visible(`${metric.key} ${numberText(metric.first)} → ${numberText(metric.last)}${best}`);
}

function waitingPairs(waiting: NonNullable<WhyWire["waiting"]>, now: number): readonly Pair[] {
  const nodes = waiting.per_node.slice(0, SHOWN_NODES).map(({ node, fits, why, gpus_free, cpus_free }) => {
    const free = `${gpus_free} GPUs and ${cpus_free} CPUs free`;
    return `${node}: ${fits ? `fits, ${free}` : (why ?? `does not fit, ${free}`)}`;
  });
  const more = waiting.per_node.length - nodes.length;
  return [
    ["waits", visible(`${waiting.text} [${waiting.code}]`)],
    ["next look", waiting.until === null ? null : relativeTime(waiting.until, now)],
    ["place", waiting.position === null ? null : waiting.position === 1 ? "1, next to start" : String(waiting.position)],
    ["nodes", [...nodes, ...(more > 0 ? [`and ${more} more: verlpool nodes`] : [])].map(visible).join("\n")],
    ["starts", waiting.start === null ? "can't be told" : range(waiting.start.low, waiting.start.high, now)],
    ["sooner by", waiting.sooner.slice(0, SHOWN_LINES).map(visible).join("\n")],
  ];
}

function runningPairs(running: NonNullable<WhyWire["running"]>, now: number): readonly Pair[] {
  const last = running.last_step_at === null ? "" : `, the last one ${relativeTime(running.last_step_at, now)}`;
  const step =
    running.step === null ? "none yet" : `${running.step}${running.total_steps === null ? "" : ` of ${running.total_steps}`}${last}`;
  const rate = running.step_seconds === null ? [] : [`${numberText(running.step_seconds)} s a step`];
  const tokens = running.tokens_per_s === null ? [] : [`${numberText(Math.round(running.tokens_per_s))} tokens/s`];
  return [
    ["step", step],
    ["metric", metricText(running.metric)],
    ["rate", [...rate, ...tokens].join(", ")],
    ["time in", running.shares.map(({ name, share }) => `${visible(name)} ${Math.round(share * 100)} %`).join(", ")],
    ["ends", running.end === null ? "can't be told yet" : range(running.end.low, running.end.high, now)],
    ["stalled", running.stalled === null ? null : visible(running.stalled)],
    [
      "resumed",
      running.resumed_from === null ? null : visible(`from step ${running.resumed_from.step} of ${running.resumed_from.submission_id}`),
    ],
  ];
}

function failedPairs(failed: NonNullable<WhyWire["failed"]>, width: number): readonly Pair[] {
  const places = failed.evidence.slice(0, SHOWN_LINES).map(({ line, text }) => `${line === null ? "" : `line ${line}: `}${text}`);
  const again = failed.retryable ? "a retry may help" : "a retry alone does not help";
  return [
    ["cause", visible(`${failed.label}, blame: ${failed.blame}; ${again}`)],
    ["evidence", places.map((place) => cut(visible(place), width)).join("\n")],
    ["means", failed.explanation === failed.text ? null : visible(failed.explanation)],
    ["what to do", visible(failed.fix)],
  ];
}

function endedPairs(ended: NonNullable<WhyWire["ended"]>): readonly Pair[] {
  return [
    ["ran", ended.ran_s === null ? null : durationText(ended.ran_s * 1000)],
    ["step", ended.step === null ? null : String(ended.step)],
    ["metric", metricText(ended.metric)],
    ["checkpoint", ended.checkpoint === null ? null : visible(`step ${ended.checkpoint.step} of ${ended.checkpoint.submission_id}`)],
    ["files", ended.job_dir === null ? null : visible(ended.job_dir)],
  ];
}

export function whyText(session: Session, why: WhyWire): string {
  const now = session.world.clock.now();
  const width = Math.max(40, (widthOf(session) ?? 200) - 14);
  const pairs: Pair[] = [
    ...(why.waiting === null ? [] : waitingPairs(why.waiting, now)),
    ...(why.running === null ? [] : runningPairs(why.running, now)),
    ...(why.failed === null ? [] : failedPairs(why.failed, width)),
    ...(why.ended === null ? [] : endedPairs(why.ended)),
    ["again", why.again === null ? null : [why.again.command, why.again.text].map(visible).join("\n")],
    [
      "alerts",
      why.alerts
        .slice(-SHOWN_LINES)
        .map((alert) => visible(`${alert.code}: ${alert.text}`))
        .join("\n"),
    ],
    [
      "before",
      why.attempts
        .slice(-SHOWN_LINES)
        .map((line) => cut(visible(line), width))
        .join("\n"),
    ],
    ["not read", why.notes.slice(0, SHOWN_LINES).map(visible).join("\n")],
  ];
  return [`${paintState(session.paint, why.state)}  ${visible(why.headline)}`, "", sheet(pairs, session.paint)].join("\n");
}

export async function runWhy(session: Session, id: string, json: boolean): Promise<number> {
  const api = await session.api();
  const { value, raw } = await api.call("explainTask", { path: { task_id: id }, about: id });
  if (json) await session.printJson(raw);
  else {
    await session.print(whyText(session, value));
    await session.say(["", "next:", ...value.next.map((line) => `  ${visible(line)}`)].join("\n"));
  }
  return EXIT.ok;
}

export function addWhy(program: Command, bind: Bind): void {
  leaf(program, "why <id>", "Why it waits, how it runs and when it ends, or why it failed and what to do", [
    "verlpool why 3d4c",
    "verlpool why 3d4c --json | jq .failed.evidence",
  ])
    .option(...JSON_OPTION)
    .action((id: string, options: { json?: true }) => bind((session) => runWhy(session, taskIdText(id), options.json === true)));
}
