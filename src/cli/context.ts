/** Where the server is and who we are: environment, then the context file of `login`, then (address only) the discovery file of the pool. */
import { z } from "zod";
import { CliError, EXIT, parseJson } from "./problem-error.ts";
import type { TlsTrust } from "./tls-trust.ts";
import { visible } from "./visible.ts";
import type { CliWorld, FileRead } from "./world.ts";

export type Where = {
  /** Without a trailing slash. */
  readonly url: string;
  readonly urlFrom: string;
  readonly token: string;
  readonly tokenFrom: string;
  readonly trust?: TlsTrust | undefined;
};

/** What is known of the certificate of an address, beyond the CAs that this machine trusts anyway. */
export type KnownTls = { readonly caFile: string | null; readonly fingerprint: string | null };

const NOTHING_KNOWN: KnownTls = { caFile: null, fingerprint: null };

type Stored = KnownTls & { readonly url: string; readonly token: string; readonly path: string };

const Context = z.object({
  schema: z.literal(1),
  url: z.string(),
  token: z.string(),
  ca_file: z.string().nullish(),
  ca_fingerprint: z.string().nullish(),
});
const ApiRecord = z.object({ schema: z.literal(1), url: z.string(), ca_fingerprint: z.string().nullish() });

/** `$XDG_CONFIG_HOME` (only if absolute, as its specification says) or `~/.config`, then `verlpool/context.json`. */
export function contextPath(env: CliWorld["env"], home: string): string {
  const base = env["XDG_CONFIG_HOME"];
  return `${base?.startsWith("/") === true ? base.replace(/\/+$/, "") : `${home}/.config`}/verlpool/context.json`;
}

export function contextText(url: string, token: string, { caFile, fingerprint }: KnownTls = NOTHING_KNOWN): string {
  const tls = { ...(caFile === null ? {} : { ca_file: caFile }), ...(fingerprint === null ? {} : { ca_fingerprint: fingerprint }) };
  return `${JSON.stringify({ schema: 1, url, token, ...tls }, null, 2)}\n`;
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
  const { url, token, ca_file: caFile = null, ca_fingerprint: fingerprint = null } = parsed.data;
  return { url: parseServerUrl(url, path), token: parseToken(token, path), path, caFile, fingerprint };
}

type Published = { readonly url: string; readonly fingerprint: string | null; readonly path: string };

/** The address that a server of this pool published, or null. */
async function readDiscovery(world: CliWorld): Promise<Published | null> {
  const root = set(world.env["VERLPOOL_ROOT"]) ?? "/private";
  const folder = `${root.replace(/\/+$/, "")}/ray/discovery`;
  const named = set(world.env["VERLPOOL_POOL_CLUSTER"]);
  const clusters = named === null ? await world.files.list(folder) : [named];
  const found: Published[] = [];
  for (const cluster of clusters) {
    const path = `${folder}/${cluster}/api.json`;
    const file = await world.files.readRecord(path);
    if (file === null || !isTrusted(file, world.uid)) continue;
    const parsed = ApiRecord.safeParse(parseJson(new TextDecoder().decode(file.bytes)));
    if (!parsed.success) continue;
    found.push({ url: parseServerUrl(parsed.data.url, path), fingerprint: parsed.data.ca_fingerprint ?? null, path });
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

export type Located = KnownTls & { readonly url: string; readonly urlFrom: string };

async function locate(world: CliWorld, context: Stored | null): Promise<Located | null> {
  const fromEnv = set(world.env["VERLPOOL_URL"]);
  if (fromEnv !== null) return locateAt(world, context, parseServerUrl(fromEnv, "VERLPOOL_URL"), "VERLPOOL_URL");
  if (context !== null) return locateAt(world, context, context.url, context.path);
  const discovered = await readDiscovery(world);
  return discovered === null ? null : { ...discovered, urlFrom: discovered.path, caFile: null };
}

/** A certificate that was renewed since the login is known by what its server publishes now. */
async function locateAt(world: CliWorld, context: Stored | null, url: string, urlFrom: string): Promise<Located> {
  const { caFile, fingerprint } = context?.url === url ? context : NOTHING_KNOWN;
  if (!url.startsWith("https:")) return { url, urlFrom, ...NOTHING_KNOWN };
  const published = await quietly(readDiscovery(world));
  return { url, urlFrom, caFile, fingerprint: (published?.url === url ? published.fingerprint : null) ?? fingerprint };
}

/** Null for what only another command must complain of. */
function quietly<T>(reading: Promise<T | null>): Promise<T | null> {
  return reading.catch((error: unknown) => {
    if (error instanceof CliError) return null;
    throw error;
  });
}

const MOST_CA_BYTES = 1_048_576;

/** VERLPOOL_CA_FILE goes before the file of the login. Throws CliError when the file that was named is not there or holds no certificate. */
export async function trustOf(world: CliWorld, at: Located): Promise<TlsTrust | undefined> {
  if (!at.url.startsWith("https:")) return undefined;
  const path = set(world.env["VERLPOOL_CA_FILE"]) ?? at.caFile;
  if (path === null) return { ca: null, fingerprint: at.fingerprint };
  const bytes = await world.files.readInput(path, MOST_CA_BYTES);
  const ca = bytes === null ? "" : new TextDecoder().decode(bytes);
  if (ca.includes("-----BEGIN CERTIFICATE-----")) return { ca, fingerprint: at.fingerprint };
  const wrong = bytes === null ? "is not there" : "holds no PEM certificate";
  throw new CliError("bad_ca_file", `the CA file ${visible(path)} ${wrong}`, EXIT.error, [
    "it comes from VERLPOOL_CA_FILE or from your last login; name another one there, or log in with --ca-file FILE",
  ]);
}

/** The address alone, for `login`, which a broken context file must not stop; null when nothing names one. `given` = the user's own word. */
export async function findUrl(world: CliWorld, given: string | null): Promise<Located | null> {
  const context = await quietly(readContext(world));
  return given === null ? locate(world, context) : locateAt(world, context, parseServerUrl(given, "--url"), "--url");
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
  if (fromEnv !== null)
    return { ...at, token: parseToken(fromEnv, "VERLPOOL_TOKEN"), tokenFrom: "VERLPOOL_TOKEN", trust: await trustOf(world, at) };
  if (context?.url !== at.url)
    throw new CliError(
      "not_logged_in",
      `not logged in at ${visible(at.url)}; the stored token is for ${visible(context?.url ?? "")}`,
      EXIT.auth,
      ["one of:", ...WAYS],
    );
  return { ...at, token: context.token, tokenFrom: context.path, trust: await trustOf(world, at) };
}
