/** Admin: tokens of users. */
import type { Command } from "commander";
import { relativeTime, table } from "../output.ts";
import { allPages, joinedRaw } from "../pages.ts";
import { instantValue } from "../parse-values.ts";
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

/** The token alone goes to stdout, so that it can be piped into a file or into `login`. */
export async function runTokenCreate(session: Session, options: CreateTokenOptions): Promise<number> {
  const api = await session.api();
  const { value, raw } = await api.call("createToken", {
    path: { user_id: options.userId },
    json: {
      name: options.name,
      ...(options.scope === null ? {} : { scope: options.scope }),
      ...(options.expires === null ? {} : { expires_at: instantValue(options.expires, session.world.clock.now()) }),
    },
    about: options.userId,
  });
  if (options.json) {
    await session.printJson(raw);
    return 0;
  }
  await session.print(visible(value.token));
  const until =
    value.expires_at === null ? "it does not expire" : `it expires ${relativeTime(value.expires_at, session.world.clock.now())}`;
  await session.say(
    `token ${visible(value.token_id)} of ${visible(value.user_id)}, scope ${value.scope}; ${until}. It is shown this once.`,
  );
  return 0;
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
      relativeTime(token.last_used_at, now),
      token.revoked_at === null ? "" : `revoked ${relativeTime(token.revoked_at, now)}`,
    ]);
  const columns = ["TOKEN ID", "NAME", "SCOPE", "ENDS IN", "CREATED", "EXPIRES", "USED", ""].map((title) =>
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

export function addToken(program: Command, bind: Bind): void {
  const token = program.command("token").description("Admin: tokens of users");
  leaf(token, "create <user>", "Issue a token; it is shown once, on stdout", [
    "verlpool token create alice --name laptop > alice.token",
    "verlpool token create ci --scope read --expires +30d",
  ])
    .option("--name <name>", "what it is for", "cli")
    .option("--scope <scope>", "full, read or metrics")
    .option("--expires <time>", "2026-12-31T00:00:00Z, or from now on: +30d")
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
  leaf(token, "revoke <user> <token-id>", "Revoke a token at once", ["verlpool token revoke alice tok_1f2e3d"]).action(
    (userId: string, tokenId: string) => bind((session) => runTokenRevoke(session, { userId, tokenId })),
  );
}
