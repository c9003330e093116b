/** Admin: who did what to whom, when, from where. */
import type { Command } from "commander";
import type { AuditWire } from "../../contract/resources.ts";
import type { Api } from "../client.ts";
import { table } from "../output.ts";
import { pastInstantValue, wholeNumber } from "../parse-values.ts";
import { type Session, widthOf } from "../session.ts";
import { type Bind, JSON_OPTION, leaf } from "./leaf.ts";

export type AuditOptions = {
  readonly user: string | null;
  readonly actor: string | null;
  readonly action: string | null;
  readonly target: string | null;
  readonly since: string | null;
  readonly until: string | null;
  readonly limit: number;
  readonly json: boolean;
};

const PAGE = 200;

/** Newest first, at most `limit` of them, in as many pages as it takes. */
async function readAudit(api: Api, options: AuditOptions, now: number) {
  const at = (text: string | null): string | null => (text === null ? null : pastInstantValue(text, now));
  const filter = {
    user: options.user,
    actor: options.actor,
    action: options.action,
    target: options.target,
    after: at(options.since),
    before: at(options.until),
  };
  const rows: AuditWire[] = [];
  const raw: unknown[] = [];
  let next: string | null = null;
  do {
    const query = { ...filter, limit: Math.min(PAGE, options.limit - rows.length), cursor: next };
    const about = options.user === null ? {} : { about: options.user };
    const answer: Awaited<ReturnType<typeof api.call<"listAudit">>> = await api.call("listAudit", { query, ...about });
    rows.push(...answer.value.audit);
    raw.push(...(answer.raw as { readonly audit: readonly unknown[] }).audit);
    next = answer.value.next_cursor;
  } while (next !== null && rows.length < options.limit);
  return { rows, raw, next };
}

function valueText(value: unknown): string {
  if (value === null) return "none";
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** `name=laptop`, `max_gpus none → 4`. Whom it concerned has a column of its own. */
function detailText(row: AuditWire): string {
  return Object.entries(row.data)
    .filter(([key, value]) => key !== "user_id" && value !== null && value !== false)
    .map(([key, value]) => {
      const change = typeof value === "object" && value !== null && "from" in value && "to" in value ? value : null;
      return change === null ? `${key}=${valueText(value)}` : `${key} ${valueText(change.from)} → ${valueText(change.to)}`;
    })
    .join(", ");
}

export async function runAudit(session: Session, options: AuditOptions): Promise<number> {
  const { rows, raw, next } = await readAudit(await session.api(), options, session.world.clock.now());
  if (options.json) {
    await session.printJson({ audit: raw, next_cursor: next });
    return 0;
  }
  if (rows.length === 0) {
    await session.say("nothing in the audit trail is like that");
    return 0;
  }
  const cells = rows.map((row) => [
    row.at.replace("T", " ").replace(/\.\d+Z$/, "Z"),
    row.actor,
    row.action,
    row.target,
    row.user_id ?? "-",
    row.from ?? "-",
    detailText(row),
  ]);
  const columns = [
    { title: "TIME" },
    { title: "ACTOR" },
    { title: "ACTION" },
    { title: "TARGET", min: 12, keep: "end" as const },
    { title: "USER", min: 6 },
    { title: "FROM" },
    { title: "DETAILS", min: 10 },
  ];
  await session.print(table(columns, cells, session.paint, widthOf(session)));
  if (next !== null) await session.say(`the newest ${rows.length}; more with --limit N, or another time with --until`);
  return 0;
}

type Flags = {
  user?: string;
  actor?: string;
  action?: string;
  target?: string;
  since?: string;
  until?: string;
  limit: number;
  json?: true;
};

export function addAudit(program: Command, bind: Bind): void {
  leaf(program, "audit", "Admin: who did what to whom, when, from where; newest first", [
    "verlpool audit --user alice",
    "verlpool audit --action token.create --since 30d --json | jq -r '.audit[] | [.at, .target] | @tsv'",
  ])
    .option("--user <user>", "only what concerned this user, his tokens and his tasks")
    .option("--actor <actor>", "only what this one did: admin, or user:ID")
    .option("--action <action>", "only this: user.disable, token.create, task.cancel, …")
    .option("--target <id>", "only what was done to this user, token or task")
    .option("--since <time>", "only at or after: 2026-08-01T18:00:00Z, or so long ago: 2h")
    .option("--until <time>", "only before: an instant, or so long ago")
    .option("--limit <n>", "at most so many", wholeNumber(1, 1_000_000), 50)
    .option(...JSON_OPTION)
    .action((flags: Flags) =>
      bind((session) =>
        runAudit(session, {
          user: flags.user ?? null,
          actor: flags.actor ?? null,
          action: flags.action ?? null,
          target: flags.target ?? null,
          since: flags.since ?? null,
          until: flags.until ?? null,
          limit: flags.limit,
          json: flags.json === true,
        }),
      ),
    );
}
