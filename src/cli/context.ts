/** Where the server is and who we are: environment, then the context file of `login`, then (address only) the discovery file of the pool. */
import { z } from "zod";
import { CliError, EXIT, parseJson } from "./problem-error.ts";
import { visible } from "./visible.ts";
import type { CliWorld, FileRead } from "./world.ts";

export type Where = {
  /** Without a trailing slash. */
  readonly url: string;
  readonly urlFrom: string;
  readonly token: string;
  readonly tokenFrom: string;
};

type Stored = { readonly url: string; readonly token: string; readonly path: string };

const Context = z.object({ schema: z.literal(1), url: z.string(), token: z.string() });
const ApiRecord = z.object({ schema: z.literal(1), url: z.string() });

/** `$XDG_CONFIG_HOME` (only if absolute, as its specification says) or `~/.config`, then `verlpool/context.json`. */
export function contextPath(env: CliWorld["env"], home: string): string {
  const base = env["XDG_CONFIG_HOME"];
  return `${base?.startsWith("/") === true ? base.replace(/\/+$/, "") : `${home}/.config`}/verlpool/context.json`;
}

export function contextText(url: string, token: string): string {
  return `${JSON.stringify({ schema: 1, url, token }, null, 2)}\n`;
}

/** An http(s) address without credentials, query or trailing slash. */
export function parseServerUrl(text: string, from: string): string {
  const url = URL.canParse(text) ? new URL(text) : null;
  const wrong =
    url === null
      ? "is not a URL"
      : url.protocol !== "http:" && url.protocol !== "https:"
        ? "must be http or https"
        : url.username !== "" || url.password !== ""
          ? "must not hold a user or a password"
          : null;
  if (url === null || wrong !== null)
    throw new CliError("bad_url", `the server's address ${visible(text)} (from ${from}) ${wrong}`, EXIT.usage, [
      "write it as http://host:8080",
    ]);
  return `${url.origin}${url.pathname.replace(/\/+$/, "")}`;
}

/** A token travels in a header: one line of printable ASCII. The text itself is never repeated in a message. */
export function parseToken(text: string, from: string): string {
  const token = text.trim();
  if (/^[\x21-\x7e]{1,512}$/.test(token)) return token;
  throw new CliError("bad_token", `the token from ${from} is not one line of printable ASCII`, EXIT.auth, [
    "copy it again as the operator gave it, or ask for a new one",
  ]);
}

/** May this process believe the file? Else whoever wrote it decides where our token goes. */
function isTrusted(file: FileRead, uid: number | null): boolean {
  return (file.mode & 0o022) === 0 && (uid === null || file.uid === uid || file.uid === 0);
}

async function readContext(world: CliWorld): Promise<Stored | null> {
  const path = contextPath(world.env, world.home);
  const file = await world.files.readRecord(path);
  if (file === null) return null;
  if (!isTrusted(file, world.uid))
    throw new CliError("bad_context", `${visible(path)} can be changed by others, so it is not read`, EXIT.error, [
      `look at it, then: chmod 600 ${visible(path)}  (or: verlpool logout)`,
    ]);
  if ((file.mode & 0o044) !== 0)
    await world.stderr.write(`warning: others can read your token in ${visible(path)}; do: chmod 600 ${visible(path)}\n`);
  const parsed = Context.safeParse(parseJson(new TextDecoder().decode(file.bytes)));
  if (!parsed.success)
    throw new CliError("bad_context", `${visible(path)} is not a context file of this version`, EXIT.error, [
      "write it again: verlpool login --token-stdin",
    ]);
  return { url: parseServerUrl(parsed.data.url, path), token: parseToken(parsed.data.token, path), path };
}

/** The address that a server of this pool published, or null. */
async function readDiscovery(world: CliWorld): Promise<{ readonly url: string; readonly path: string } | null> {
  const root = set(world.env["VERLPOOL_ROOT"]) ?? "/private";
  const folder = `${root.replace(/\/+$/, "")}/ray/discovery`;
  const named = set(world.env["VERLPOOL_POOL_CLUSTER"]);
  const clusters = named === null ? await world.files.list(folder) : [named];
  const found: { readonly url: string; readonly path: string }[] = [];
  for (const cluster of clusters) {
    const path = `${folder}/${cluster}/api.json`;
    const file = await world.files.readRecord(path);
    if (file === null || !isTrusted(file, world.uid)) continue;
    const parsed = ApiRecord.safeParse(parseJson(new TextDecoder().decode(file.bytes)));
    if (parsed.success) found.push({ url: parseServerUrl(parsed.data.url, path), path });
  }
  if (found.length > 1)
    throw new CliError(
      "which_cluster",
      `${visible(folder)} names ${found.length} clusters: ${clusters.map(visible).join(", ")}`,
      EXIT.usage,
      ["choose one: VERLPOOL_POOL_CLUSTER=NAME, or give its address in VERLPOOL_URL"],
    );
  return found[0] ?? null;
}

/** An empty variable is one that is not set. */
function set(value: string | undefined): string | null {
  return value === undefined || value === "" ? null : value;
}

type Located = { readonly url: string; readonly urlFrom: string };

async function locate(world: CliWorld, context: Stored | null): Promise<Located | null> {
  const fromEnv = set(world.env["VERLPOOL_URL"]);
  if (fromEnv !== null) return { url: parseServerUrl(fromEnv, "VERLPOOL_URL"), urlFrom: "VERLPOOL_URL" };
  if (context !== null) return { url: context.url, urlFrom: context.path };
  const discovered = await readDiscovery(world);
  return discovered === null ? null : { url: discovered.url, urlFrom: discovered.path };
}

/** The address alone, for `login`, which a broken context file must not stop; null when nothing names one. */
export async function findUrl(world: CliWorld): Promise<Located | null> {
  const context = await readContext(world).catch((error: unknown) => {
    if (error instanceof CliError) return null;
    throw error;
  });
  return locate(world, context);
}

const WAYS = [
  'echo "$TOKEN" | verlpool login --token-stdin --url http://HOST:8080   (kept in a file only you can read)',
  "export VERLPOOL_URL=http://HOST:8080 VERLPOOL_TOKEN=…                    (for this shell, scripts, CI)",
  "verlpool up                                                            (a pool of your own on this machine, logged in at once)",
];

/** Address and token; exit 4 when there is no token. The stored token goes only to the address it was stored with. */
export async function findServer(world: CliWorld): Promise<Where> {
  const fromEnv = set(world.env["VERLPOOL_TOKEN"]);
  const context = fromEnv !== null && set(world.env["VERLPOOL_URL"]) !== null ? null : await readContext(world);
  if (fromEnv === null && context === null) throw new CliError("not_logged_in", "not logged in", EXIT.auth, ["one of:", ...WAYS]);
  const at = await locate(world, context);
  if (at === null)
    throw new CliError("no_server", "VERLPOOL_TOKEN is set, but no server is known", EXIT.error, [
      "export VERLPOOL_URL=http://HOST:8080, or VERLPOOL_ROOT=DIR of the shared storage where the server publishes its address",
    ]);
  if (fromEnv !== null) return { ...at, token: parseToken(fromEnv, "VERLPOOL_TOKEN"), tokenFrom: "VERLPOOL_TOKEN" };
  if (context?.url !== at.url)
    throw new CliError(
      "not_logged_in",
      `not logged in at ${visible(at.url)}; the stored token is for ${visible(context?.url ?? "")}`,
      EXIT.auth,
      ["one of:", ...WAYS],
    );
  return { ...at, token: context.token, tokenFrom: context.path };
}
