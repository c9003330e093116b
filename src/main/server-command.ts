/** `verlpool server` and `verlpool config show`. */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import type { ConfigShowOptions, OutputStream, ServerOptions } from "../cli/world.ts";
import { type ConfigKey, KEYS, strayVariables } from "../config/config.ts";
import { settingsOf } from "../config/settings.ts";
import { adminToken } from "./admin-token.ts";
import { IN_CLEAR, isLoopback } from "./exposure.ts";
import { failpointFrom } from "./failpoints.ts";
import { type Environment, loadConfig } from "./load-config.ts";
import { createLog } from "./logger.ts";
import { startServer } from "./server.ts";
import { stopSignal } from "./stop-signal.ts";

type Flags = {
  readonly root: string | null;
  readonly host?: string | null;
  readonly port?: number | null;
  readonly tlsCert?: string | null;
  readonly tlsKey?: string | null;
};

function flagsOf(options: Flags): { [K in ConfigKey]?: unknown } {
  return {
    ...(options.root === null ? {} : { shared_root: options.root }),
    ...(options.host === null || options.host === undefined ? {} : { "server.host": options.host }),
    ...(options.port === null || options.port === undefined ? {} : { "server.port": options.port }),
    ...(options.tlsCert === null || options.tlsCert === undefined ? {} : { "server.tls_cert": resolve(options.tlsCert) }),
    ...(options.tlsKey === null || options.tlsKey === undefined ? {} : { "server.tls_key": resolve(options.tlsKey) }),
  };
}

export async function serverCommand(options: ServerOptions, environment: Environment, stderr: OutputStream): Promise<number> {
  const settings = settingsOf(loadConfig(options.config, flagsOf(options), environment).config);
  await tellStray(environment, stderr);
  const token = adminToken(settings.adminTokenVariable, environment, options.dev, settings.host);
  if (options.dev) await stderr.write("verlpool: development mode: loopback only, a weak admin token is accepted\n");
  // Made here it would be an empty pool on a local disk, where a mount was meant.
  if (!existsSync(settings.sharedRoot))
    await stderr.write(
      `verlpool: warning: ${settings.sharedRoot} is not there and is made; if a mount belongs there, stop and mount it first\n`,
    );
  const signal = stopSignal();
  const log = createLog(settings.logLevel);
  if (settings.tlsFiles === null && !isLoopback(settings.host))
    await stderr.write(`verlpool: warning: the server listens on ${settings.host} without TLS: ${IN_CLEAR}\n`);
  const server = await startServer(
    { settings, adminToken: token, failpoint: failpointFrom(environment["VERLPOOL_FAILPOINT"]), log },
    signal,
  );
  await stderr.write(`verlpool: listening on ${server.url} (root ${settings.sharedRoot})\n`);
  await server.closed;
  await stderr.write("verlpool: stopped; running tasks go on in Ray and are followed again at the next start\n");
  return 0;
}

async function tellStray(environment: Environment, stderr: OutputStream): Promise<void> {
  for (const name of strayVariables(environment))
    await stderr.write(`verlpool: warning: ${name} is no setting; verlpool config show lists those there are\n`);
}

/** A URL may hold a password, before its host or in its query: neither is shown. */
function shown(value: unknown): unknown {
  const scheme = typeof value === "string" ? /^[a-z][a-z0-9+.-]*:\/\//.exec(value)?.[0] : undefined;
  if (typeof value !== "string" || scheme === undefined) return value;
  if (!URL.canParse(value)) return `${scheme}…`;
  const url = new URL(value);
  if (url.username + url.password + url.search === "") return value;
  return `${scheme}${url.username + url.password === "" ? "" : "…@"}${url.host}${url.pathname}${url.search === "" ? "" : "?…"}`;
}

export async function configShowCommand(
  options: ConfigShowOptions,
  environment: Environment,
  stdout: OutputStream,
  stderr: OutputStream,
): Promise<number> {
  const { config, file } = loadConfig(options.config, flagsOf(options), environment);
  const rows = (Object.keys(config) as ConfigKey[]).map((name) => ({
    key: name,
    value: shown(config[name].value),
    origin: config[name].origin,
    about: KEYS[name].about,
  }));
  await tellStray(environment, stderr);
  if (options.json) {
    await stdout.write(`${JSON.stringify({ file, values: rows })}\n`);
    return 0;
  }
  await stderr.write(file === null ? "no configuration file\n" : `file: ${file}\n`);
  const width = Math.max(...rows.map((row) => row.key.length));
  for (const row of rows) await stdout.write(`${row.key.padEnd(width)}  ${row.origin.padEnd(11)}  ${JSON.stringify(row.value)}\n`);
  return 0;
}
