/** Admin: tokens of users. */
import { type Command, InvalidArgumentError } from "commander";
import type { NewTokenWire, TokenWire } from "../../contract/resources.ts";
import { durationText, relativeTime, table } from "../output.ts";
import { allPages, joinedRaw } from "../pages.ts";
import { instantValue, parseDuration } from "../parse-values.ts";
import { type Session, widthOf } from "../session.ts";
import { visible } from "../visible.ts";
import { type Bind, JSON_OPTION, leaf } from "./leaf.ts";

export type CreateTokenOptions = {
  readonly userId: string;
  readonly name: string;
  readonly scope: string | null;
  readonly expires: string | null;
  readonly json: boolean;
};

export async function runTokenCreate(session: Session, options: CreateTokenOptions): Promise<number> {
  const api = await session.api();
  const answer = await api.call("createToken", {
    path: { user_id: options.userId },
    json: { name: options.name, ...(options.scope === null ? {} : { scope: options.scope }), ...expiry(session, options.expires) },
    about: options.userId,
  });
  return showOnce(session, answer, "", options.json);
}

export type RotateTokenOptions = {
  readonly userId: string;
  readonly tokenId: string;
  readonly overlapS: number;
  readonly expires: string | null;
  readonly json: boolean;
};

export async function runTokenRotate(session: Session, options: RotateTokenOptions): Promise<number> {
  const api = await session.api();
  const answer = await api.call("rotateToken", {
    path: { user_id: options.userId, token_id: options.tokenId },
    json: { overlap_s: options.overlapS, ...expiry(session, options.expires) },
    about: options.tokenId,
  });
  const old = options.overlapS === 0 ? "no longer works" : `works for at most ${durationText(options.overlapS * 1000)} more`;
  return showOnce(session, answer, `\nit takes the place of ${visible(options.tokenId)}, which ${old}`, options.json);
}

/** Also `0s`, which says the default aloud. */
function overlapValue(text: string): number {
  const seconds = /^0+[smhd]?$/.test(text) ? 0 : parseDuration(text);
  if (seconds > 7 * 86_400) throw new InvalidArgumentError("it must be at most 7d.");
  return seconds;
}

/** `never` is the word for no expiry; leaving it out is the server's default. */
function expiry(session: Session, given: string | null): { readonly expires_at?: string | null } {
  if (given === null) return {};
  return { expires_at: given === "never" ? null : instantValue(given, session.world.clock.now()) };
}

/** The token alone goes to stdout, so that it can be piped into a file or into `login`. */
async function showOnce(
  session: Session,
  { value, raw }: { readonly value: NewTokenWire; readonly raw: unknown },
  more: string,
  json: boolean,
): Promise<number> {
  if (json) {
    await session.printJson(raw);
    return 0;
  }
  await session.print(visible(value.token));
  const until =
    value.expires_at === null ? "it does not expire" : `it expires ${relativeTime(value.expires_at, session.world.clock.now())}`;
  await session.say(
    `token ${visible(value.token_id)} of ${visible(value.user_id)}, scope ${value.scope}; ${until}. It is shown this once.${more}`,
  );
  return 0;
}

function stateOf(token: TokenWire, now: number): string {
  if (token.revoked_at !== null) return `revoked ${relativeTime(token.revoked_at, now)}`;
  if (token.replaced_by !== null) return `replaced by ${token.replaced_by}`;
  return token.expires_at !== null && Date.parse(token.expires_at) <= now ? "expired" : "active";
}

export async function runTokenList(session: Session, options: { readonly userId: string; readonly json: boolean }): Promise<number> {
  const api = await session.api();
  const pages = await allPages(api, "listTokens", { path: { user_id: options.userId }, about: options.userId });
  if (options.json) {
    await session.printJson(joinedRaw(pages, "tokens"));
    return 0;
  }
  const now = session.world.clock.now();
  const rows = pages
    .flatMap((page) => page.value.tokens)
    .map((token) => [
      token.token_id,
      token.name,
      token.scope,
      `…${token.last4}`,
      relativeTime(token.created_at, now),
      token.expires_at === null ? "never" : relativeTime(token.expires_at, now),
      token.last_used_at === null ? "never" : relativeTime(token.last_used_at, now),
      stateOf(token, now),
    ]);
  const columns = ["TOKEN ID", "NAME", "SCOPE", "TOKEN", "CREATED", "EXPIRES", "LAST USED", "STATE"].map((title) =>
    title === "NAME" ? { title, min: 8 } : { title },
  );
  if (rows.length === 0)
    await session.say(`${visible(options.userId)} has no token; make one: verlpool token create ${visible(options.userId)}`);
  else await session.print(table(columns, rows, session.paint, widthOf(session)));
  return 0;
}

export async function runTokenRevoke(session: Session, options: { readonly userId: string; readonly tokenId: string }): Promise<number> {
  const api = await session.api();
  await api.call("revokeToken", { path: { user_id: options.userId, token_id: options.tokenId }, about: options.tokenId });
  await session.say(`revoked ${visible(options.tokenId)} of ${visible(options.userId)}`);
  return 0;
}

const EXPIRES = "2026-12-31T00:00:00Z, from now on (30d), or never";

export function addToken(program: Command, bind: Bind): void {
  const token = program.command("token").description("Admin: tokens of users");
  leaf(token, "create <user>", "Issue a token; it is shown once, on stdout", [
    "verlpool token create alice --name laptop > alice.token",
    "verlpool token create ci --scope read --expires 30d",
  ])
    .option("--name <name>", "what it is for", "cli")
    .option("--scope <scope>", "full, read or metrics")
    .option("--expires <time>", EXPIRES)
    .option(...JSON_OPTION)
    .action((userId: string, flags: { name: string; scope?: string; expires?: string; json?: true }) =>
      bind((session) =>
        runTokenCreate(session, {
          userId,
          name: flags.name,
          scope: flags.scope ?? null,
          expires: flags.expires ?? null,
          json: flags.json === true,
        }),
      ),
    );
  leaf(token, "list <user>", "List a user's tokens (never the tokens themselves)", ["verlpool token list alice"])
    .option(...JSON_OPTION)
    .action((userId: string, flags: { json?: true }) => bind((session) => runTokenList(session, { userId, json: flags.json === true })));
  leaf(token, "rotate <user> <token-id>", "Issue a token in the place of another; it is shown once, on stdout", [
    "verlpool token rotate alice tok_1f2e3d > alice.token",
    "verlpool token rotate ci tok_1f2e3d --overlap 1h",
  ])
    .option("--overlap <time>", "how long the old one still works: 10m, 1h, at most 7d (default: not at all)", overlapValue, 0)
    .option("--expires <time>", `${EXPIRES} (default: as long a life as the old one was given)`)
    .option(...JSON_OPTION)
    .action((userId: string, tokenId: string, flags: { overlap: number; expires?: string; json?: true }) =>
      bind((session) =>
        runTokenRotate(session, {
          userId,
          tokenId,
          overlapS: flags.overlap,
          expires: flags.expires ?? null,
          json: flags.json === true,
        }),
      ),
    );
  leaf(token, "revoke <user> <token-id>", "Revoke a token at once", ["verlpool token revoke alice tok_1f2e3d"]).action(
    (userId: string, tokenId: string) => bind((session) => runTokenRevoke(session, { userId, tokenId })),
  );
}
