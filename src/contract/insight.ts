/** The wire shapes of what a task's own files tell: its metrics, and why it is as it is. `null`, never absent. */
import { z } from "zod";
import { AlertWire, Instant, TaskStateWire } from "./resources.ts";

const SeriesWire = z
  .record(z.string(), z.array(z.number().nullable()))
  .meta({ description: "By key; null = no finite value at that step" });

/** One stretch of the line: steps `from_step` to `to_step` are those that this attempt did. */
const SegmentWire = z.object({
  submission_id: z.string(),
  task_id: z.string().meta({ description: "Another task's where this one is a retry that went on from its checkpoint" }),
  attempt: z.int(),
  from_step: z.int(),
  to_step: z.int(),
  source: z.enum(["file", "console"]).meta({ description: "verl's own file logger, or its console lines where there is no such file" }),
});

export const CurvesWire = z
  .object({
    attempts: z.array(z.object({ attempt: z.int(), steps: z.array(z.int()), series: SeriesWire })),
    line: z
      .object({ steps: z.array(z.int()), series: SeriesWire, segments: z.array(SegmentWire) })
      .nullable()
      .meta({ description: "With view=line: the attempts as one line; a later attempt wins from the step that it resumed from" }),
    keys: z.array(z.string()).meta({ description: "All keys that the task has written, whatever `key` asks for" }),
    every: z.int().meta({ description: "1 = every step is here; 2, 4, … = only every so many steps are kept, because there are too many" }),
    complete: z.boolean().meta({ description: "False = more of the files is still to be read; ask again" }),
    next_after_step: z.int().nullable(),
  })
  .meta({ id: "Curves" });
export type CurvesWire = z.infer<typeof CurvesWire>;

const RangeWire = z.object({ low: Instant, high: Instant.nullable().meta({ description: "Null = nothing bounds it" }) }).nullable();

const AgainWire = z
  .object({
    command: z.string(),
    resumes_from: z.object({ submission_id: z.string(), step: z.int() }).nullable(),
    text: z.string().meta({ description: "Where it would begin, in words" }),
  })
  .nullable()
  .meta({ description: "What would run it again; null where nothing needs it" });

const MetricChangeWire = z.object({ key: z.string(), first: z.number(), last: z.number(), best: z.number() }).nullable();

export const WhyWire = z
  .object({
    task_id: z.string(),
    state: TaskStateWire,
    at: Instant,
    headline: z.string().meta({ description: "The answer in one sentence" }),
    waiting: z
      .object({
        code: z.string(),
        text: z.string(),
        until: Instant.nullable(),
        position: z.int().nullable().meta({ description: "1 = next to start; null = it waits for nothing in the queue" }),
        fit: z.enum(["now", "later", "impossible", "unknown"]),
        per_node: z.array(
          z.object({ node: z.string(), gpus_free: z.number(), cpus_free: z.number(), fits: z.boolean(), why: z.string().nullable() }),
        ),
        start: RangeWire,
        sooner: z.array(z.string()).meta({ description: "What would make it start sooner" }),
      })
      .nullable(),
    running: z
      .object({
        attempt: z.int(),
        since: Instant,
        step: z.int().nullable(),
        total_steps: z.int().nullable(),
        last_step_at: Instant.nullable(),
        step_seconds: z.number().nullable().meta({ description: "Median of the last steps" }),
        steps_per_hour: z.number().nullable(),
        tokens_per_s: z.number().nullable(),
        shares: z
          .array(z.object({ name: z.string(), share: z.number() }))
          .meta({ description: "Of a step's time: rollout, update, and what else verl times; the rest is `other`" }),
        metric: MetricChangeWire,
        end: RangeWire,
        stalled: z.string().nullable(),
        resumed_from: z.object({ submission_id: z.string(), step: z.int() }).nullable(),
      })
      .nullable(),
    failed: z
      .object({
        label: z.string(),
        blame: z.enum(["user", "config", "node", "infra", "unknown"]),
        retryable: z.boolean(),
        text: z.string(),
        explanation: z.string(),
        fix: z.string(),
        evidence: z.array(z.object({ line: z.int().nullable(), text: z.string() })).meta({ description: "Lines of the driver's log" }),
      })
      .nullable(),
    ended: z
      .object({
        at: Instant,
        ran_s: z.number().nullable(),
        by: z.string().nullable().meta({ description: "Who canceled it" }),
        step: z.int().nullable(),
        metric: MetricChangeWire,
        checkpoint: z.object({ submission_id: z.string(), step: z.int() }).nullable().meta({ description: "The newest complete one" }),
        job_dir: z.string().nullable(),
      })
      .nullable(),
    again: AgainWire,
    alerts: z.array(AlertWire),
    attempts: z.array(z.string()).meta({ description: "What became of the attempts before the newest, a line each" }),
    next: z.array(z.string()).meta({ description: "Commands to type next" }),
    notes: z.array(z.string()).meta({ description: "What could not be read just now" }),
  })
  .meta({ id: "Why" });
export type WhyWire = z.infer<typeof WhyWire>;
