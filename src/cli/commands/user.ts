/** Admin: users and their limits. */
import type { Command } from "commander";
import type { LimitsView } from "../answers.ts";
import type { UserWire } from "../../contract/resources.ts";
import type { Api } from "../client.ts";
import { paintState, relativeTime, sheet, table } from "../output.ts";
import { allPages } from "../pages.ts";
import { limitValue, wholeNumber } from "../parse-values.ts";
import { CliError, EXIT } from "../problem-error.ts";
import { type Session, widthOf } from "../session.ts";
import { visible } from "../visible.ts";
import { type Bind, JSON_OPTION, leaf } from "./leaf.ts";

async function readUsers(api: Api) {
  const pages = await allPages(api, "listUsers");
  const raw = pages.flatMap((page) => (page.raw as { readonly users: readonly unknown[] }).users);
  return { users: pages.flatMap((page) => page.value.users), raw };
}

function limitText(value: number | null): string {
  return value === null ? "none" : String(value);
}

function userSheet(session: Session, user: UserWire): string {
  const { limits } = user;
  return sheet(
    [
      ["user", visible(user.user_id)],
      ["name", user.display_name === null ? null : visible(user.display_name)],
      ["state", paintState(session.paint, user.state)],
      ["max queued", limitText(limits.max_queued)],
      ["max running", limitText(limits.max_running)],
      ["max gpus", limitText(limits.max_gpus)],
      ["submits per minute", limitText(limits.submits_per_minute)],
      ["max storage GiB", limitText(limits.max_storage_gib)],
      ["max priority", String(limits.max_priority)],
    ],
    session.paint,
  );
}

async function printUser(session: Session, answer: { readonly value: UserWire; readonly raw: unknown }, json: boolean): Promise<number> {
  await (json ? session.printJson(answer.raw) : session.print(userSheet(session, answer.value)));
  return 0;
}

export type CreateUserOptions = { readonly userId: string; readonly displayName: string | null; readonly json: boolean };

export async function runUserCreate(session: Session, options: CreateUserOptions): Promise<number> {
  const api = await session.api();
  const answer = await api.call("createUser", {
    json: { user_id: options.userId, ...(options.displayName === null ? {} : { display_name: options.displayName }) },
    about: options.userId,
  });
  await printUser(session, answer, options.json);
  if (!options.json) await session.say(`\nnext: verlpool token create ${visible(answer.value.user_id)}`);
  return 0;
}

export async function runUserList(session: Session, options: { readonly json: boolean }): Promise<number> {
  const { users, raw } = await readUsers(await session.api());
  if (options.json) {
    await session.printJson({ users: raw, next_cursor: null });
    return 0;
  }
  const now = session.world.clock.now();
  const rows = users.map((user) => [
    user.user_id,
    user.state,
    relativeTime(user.created_at, now),
    limitText(user.limits.max_queued),
    limitText(user.limits.max_running),
    limitText(user.limits.max_gpus),
    user.display_name ?? "",
  ]);
  const columns = [
    { title: "USER" },
    { title: "STATE", style: paintState },
    { title: "CREATED" },
    { title: "MAX QUEUED", align: "right" as const },
    { title: "MAX RUNNING", align: "right" as const },
    { title: "MAX GPUS", align: "right" as const },
    { title: "NAME", min: 8 },
  ];
  if (users.length === 0) await session.say("no users; make one: verlpool user create alice");
  else await session.print(table(columns, rows, session.paint, widthOf(session)));
  return 0;
}

export type UserStateOptions = {
  readonly userId: string;
  readonly to: "disable" | "enable";
  readonly cancelTasks: boolean;
  readonly json: boolean;
};

export async function runUserState(session: Session, options: UserStateOptions): Promise<number> {
  const api = await session.api();
  const path = { user_id: options.userId };
  const about = options.userId;
  const answer =
    options.to === "enable"
      ? await api.call("enableUser", { path, about })
      : await api.call("disableUser", { path, about, query: { cancel_tasks: options.cancelTasks ? "true" : null } });
  await printUser(session, answer, options.json);
  if (options.to === "disable" && !options.json)
    await session.say(
      options.cancelTasks
        ? "\nall open tasks are canceled"
        : "\nwaiting tasks are held until the user is enabled again; running ones finish",
    );
  return 0;
}

export type UserLimitsOptions = { readonly userId: string; readonly limits: Partial<LimitsView>; readonly json: boolean };

/** Sets the limits that were named; with none, shows them. */
export async function runUserLimits(session: Session, options: UserLimitsOptions): Promise<number> {
  const api = await session.api();
  if (Object.keys(options.limits).length > 0) {
    const answer = await api.call("setLimits", { path: { user_id: options.userId }, json: options.limits, about: options.userId });
    return printUser(session, answer, options.json);
  }
  const { users, raw } = await readUsers(api);
  const at = users.findIndex((user) => user.user_id === options.userId);
  const user = users[at];
  if (user === undefined)
    throw new CliError("not_found", `there is no user ${visible(options.userId)}`, EXIT.error, ["see: verlpool user list"]);
  return printUser(session, { value: user, raw: raw[at] }, options.json);
}

type LimitFlags = {
  maxQueued?: number | "none";
  maxRunning?: number | "none";
  maxGpus?: number | "none";
  submitsPerMinute?: number | "none";
  maxStorageGib?: number | "none";
  maxPriority?: number;
  json?: true;
};

function limitsOf(flags: LimitFlags): Partial<LimitsView> {
  const given = [
    ["max_queued", flags.maxQueued],
    ["max_running", flags.maxRunning],
    ["max_gpus", flags.maxGpus],
    ["submits_per_minute", flags.submitsPerMinute],
    ["max_storage_gib", flags.maxStorageGib],
    ["max_priority", flags.maxPriority],
  ] as const;
  return Object.fromEntries(given.filter(([, value]) => value !== undefined).map(([key, value]) => [key, value === "none" ? null : value]));
}

export function addUser(program: Command, bind: Bind): void {
  const user = program.command("user").description("Admin: users and their limits");
  leaf(user, "create <user>", "Create a user", ["verlpool user create alice --display-name 'Alice A.'"])
    .option("--display-name <name>", "a name for people")
    .option(...JSON_OPTION)
    .action((userId: string, flags: { displayName?: string; json?: true }) =>
      bind((session) => runUserCreate(session, { userId, displayName: flags.displayName ?? null, json: flags.json === true })),
    );
  leaf(user, "list", "List users", ["verlpool user list"])
    .option(...JSON_OPTION)
    .action((flags: { json?: true }) => bind((session) => runUserList(session, { json: flags.json === true })));
  leaf(user, "disable <user>", "Disable a user: queued tasks are held, running ones finish", ["verlpool user disable bob --cancel-tasks"])
    .option("--cancel-tasks", "cancel all of the user's tasks too")
    .option(...JSON_OPTION)
    .action((userId: string, flags: { cancelTasks?: true; json?: true }) =>
      bind((session) =>
        runUserState(session, { userId, to: "disable", cancelTasks: flags.cancelTasks === true, json: flags.json === true }),
      ),
    );
  leaf(user, "enable <user>", "Enable a user again", ["verlpool user enable bob"])
    .option(...JSON_OPTION)
    .action((userId: string, flags: { json?: true }) =>
      bind((session) => runUserState(session, { userId, to: "enable", cancelTasks: false, json: flags.json === true })),
    );
  leaf(user, "limits <user>", "Set a user's limits; without options, show them", [
    "verlpool user limits alice",
    "verlpool user limits alice --max-running 2 --max-gpus none",
  ])
    .option("--max-queued <n>", "waiting tasks, or none", limitValue)
    .option("--max-running <n>", "running tasks, or none", limitValue)
    .option("--max-gpus <n>", "GPUs at once, or none", limitValue)
    .option("--submits-per-minute <n>", "submissions, or none", limitValue)
    .option("--max-storage-gib <n>", "GiB in the job directories, or none", limitValue)
    .option("--max-priority <n>", "the highest priority the user may ask for", wholeNumber(-100, 100))
    .option(...JSON_OPTION)
    .action((userId: string, flags: LimitFlags) =>
      bind((session) => runUserLimits(session, { userId, limits: limitsOf(flags), json: flags.json === true })),
    );
}
