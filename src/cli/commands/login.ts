/** login, logout, whoami. A token comes by stdin only: an argument would stand in the process list and the shell's history. */
import { resolve } from "node:path";
import type { Command } from "commander";
import type { MeWire } from "../../contract/resources.ts";
import { apiClient } from "../client.ts";
import { contextPath, contextText, findUrl, parseToken, trustOf } from "../context.ts";
import { bytesText, relativeTime, sheet } from "../output.ts";
import { usageError } from "../problem-error.ts";
import type { Session } from "../session.ts";
import { visible } from "../visible.ts";
import { type Bind, JSON_OPTION, leaf } from "./leaf.ts";

export type LoginOptions = {
  readonly tokenStdin: boolean;
  readonly url: string | null;
  readonly caFile: string | null;
  readonly json: boolean;
};

function isLoopback(url: string): boolean {
  const { hostname } = new URL(url);
  return hostname === "localhost" || hostname === "[::1]" || /^127\.\d+\.\d+\.\d+$/.test(hostname);
}

function nameOf(me: MeWire): string {
  return me.role === "admin" ? "the admin" : visible(me.user_id ?? "");
}

export async function runLogin(session: Session, options: LoginOptions): Promise<number> {
  if (!options.tokenStdin)
    throw usageError(
      "the token is read from stdin",
      "verlpool login --token-stdin --url http://HOST:8080 < token.txt",
      "(an argument would be seen by others in the process list)",
    );
  const { world } = session;
  const found = await findUrl(world, options.url);
  if (found === null) throw usageError("which server?", "add --url http://HOST:8080");
  const at = options.caFile === null ? found : { ...found, caFile: resolve(options.caFile) };
  if (world.stdin.isTTY) await session.say("paste the token, then press Enter and Ctrl-D");
  const token = parseToken(new TextDecoder().decode(await world.stdin.readAll(1024)), "stdin");
  // Asked before anything is written: a context that does not work helps nobody.
  const api = apiClient({ ...at, token, tokenFrom: "stdin", trust: await trustOf(world, at) }, world.request, world.version);
  const { value, raw } = await api.call("me");
  const path = contextPath(world.env, world.home);
  await world.files.writePrivate(path, contextText(at.url, token, at));
  if (at.url.startsWith("http:") && !isLoopback(at.url))
    await session.say(
      `${session.paintTalk("yellow", "warning:")} ${visible(at.url)} is not encrypted: whoever can read the network can read the token`,
    );
  for (const name of ["VERLPOOL_TOKEN", "VERLPOOL_URL"] as const)
    if ((world.env[name] ?? "") !== "")
      await session.say(`${session.paintTalk("yellow", "warning:")} ${name} is set and goes before what was just stored`);
  await session.say(`logged in as ${nameOf(value)} at ${visible(at.url)} (kept in ${visible(path)})`);
  if (options.json) await session.printJson(raw);
  return 0;
}

export async function runLogout(session: Session): Promise<number> {
  const { world } = session;
  const path = contextPath(world.env, world.home);
  const removed = await world.files.remove(path);
  await session.say(
    removed ? `logged out (${visible(path)} is gone); the token itself stays valid until it is revoked` : "was not logged in",
  );
  if ((world.env["VERLPOOL_TOKEN"] ?? "") !== "") await session.say("VERLPOOL_TOKEN is still set in this shell");
  return 0;
}

export async function runWhoami(session: Session, options: { readonly json: boolean }): Promise<number> {
  const api = await session.api();
  const { value: me, raw } = await api.call("me");
  if (options.json) {
    await session.printJson(raw);
    return 0;
  }
  const { where } = api;
  const limits = me.limits === null ? [] : Object.entries(me.limits).map(([key, value]) => `${key} ${value ?? "none"}`);
  await session.print(
    sheet(
      [
        ["who", nameOf(me)],
        ["name", me.display_name === null ? null : visible(me.display_name)],
        ["state", me.state],
        ["scope", me.scope],
        ["files", me.jobs_dir === null ? null : visible(me.jobs_dir)],
        [
          "storage",
          me.storage === null
            ? null
            : `${bytesText(me.storage.bytes)}, measured ${relativeTime(me.storage.measured_at, session.world.clock.now())}`,
        ],
        ["limits", visible(limits.join(", "))],
        ["server", `${visible(where.url)} (from ${visible(where.urlFrom)}), version ${visible(me.version)}`],
        ["token", `from ${visible(where.tokenFrom)}`],
      ],
      session.paint,
    ),
  );
  return 0;
}

export function addLogin(program: Command, bind: Bind): void {
  leaf(program, "login", "Check a token and keep it in a file that only you can read", [
    "verlpool login --token-stdin --url http://pool:8080 < token.txt",
    "verlpool login --token-stdin < /srv/verlpool/run/admin.token",
  ])
    .option("--token-stdin", "read the token from stdin")
    .option("--url <url>", "the server; else VERLPOOL_URL, the last login, or the address published on the shared storage")
    .option("--ca-file <file>", "believe certificates that this PEM file vouches for; kept with the login")
    .option(...JSON_OPTION)
    .action((options: { tokenStdin?: true; url?: string; caFile?: string; json?: true }) =>
      bind((session) =>
        runLogin(session, {
          tokenStdin: options.tokenStdin === true,
          url: options.url ?? null,
          caFile: options.caFile ?? null,
          json: options.json === true,
        }),
      ),
    );
  leaf(program, "logout", "Forget the stored token", ["verlpool logout"]).action(() => bind(runLogout));
  leaf(program, "whoami", "Who you are to the server, where your files are, your limits", [
    "verlpool whoami",
    "verlpool whoami --json | jq -r .jobs_dir",
  ])
    .option(...JSON_OPTION)
    .action((options: { json?: true }) => bind((session) => runWhoami(session, { json: options.json === true })));
}
