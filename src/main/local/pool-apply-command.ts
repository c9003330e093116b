/** `verlpool pool apply|status|stop HOSTS.yaml` (docs/pool-apply.md). */
import { readFile } from "node:fs/promises";
import { painter, type Paint, table } from "../../cli/output.ts";
import { specErrorsText } from "../../cli/spec-errors.ts";
import type { OutputStream, PoolHostsOptions } from "../../cli/world.ts";
import { HOSTS_MAX_BYTES, parseHostsFile } from "../../contract/hosts-file.ts";
import type { HostsFile } from "../../domain/pool-hosts.ts";
import { sshEnv } from "../../pool/plain-env.ts";
import { applyRound, type ApplyWorld, type HostRow, statusRound, stopRound } from "../../pool/apply/apply.ts";
import { watchHosts } from "../../pool/apply/watch.ts";
import { clock, ids } from "../clock.ts";
import type { Environment } from "../load-config.ts";

const MARK_BYTES = 16;

/** Exit code 0 when every host is as it should be, 1 when one is not, 2 for a file that can't be used. */
export async function poolHostsCommand(
  options: PoolHostsOptions,
  environment: Environment,
  stdout: OutputStream,
  stderr: OutputStream,
  signal: AbortSignal,
): Promise<number> {
  const paint = painter(environment, stderr);
  const file = await readHosts(options, stderr, paint);
  if (file === null) return 2;
  const ssh = { program: "ssh", configFile: options.sshConfig, env: sshEnv(environment) };
  const world: ApplyWorld = { ssh, clock, mark: () => ids.hex(MARK_BYTES) };
  const print = (rows: readonly HostRow[]): Promise<void> =>
    stdout.write(options.json ? `${JSON.stringify({ hosts: rows })}\n` : `${hostTable(rows, painter(environment, stdout))}\n`);
  if (options.watchEveryS !== null) return watch(options, options.watchEveryS, world, file, print, stderr, paint, signal);
  const rows = await roundOf(options, world, file, signal);
  await print(rows);
  return rows.every(({ ok }) => ok) ? 0 : 1;
}

function roundOf(options: PoolHostsOptions, world: ApplyWorld, file: HostsFile, signal: AbortSignal): Promise<readonly HostRow[]> {
  switch (options.verb) {
    case "apply":
      return applyRound(world, file, { force: options.force, mayKill: () => true }, signal);
    case "status":
      return statusRound(world, file, signal);
    case "stop":
      return stopRound(world, file, signal);
  }
}

/** The whole table once, then only what changed; 130 as after any Ctrl-C. */
async function watch(
  options: PoolHostsOptions,
  everyS: number,
  world: ApplyWorld,
  file: HostsFile,
  print: (rows: readonly HostRow[]) => Promise<void>,
  stderr: OutputStream,
  paint: Paint,
  signal: AbortSignal,
): Promise<number> {
  let isFirst = true;
  const onRound = async (rows: readonly HostRow[], changed: readonly HostRow[]): Promise<void> => {
    if (!isFirst && changed.length > 0 && !options.json) await stderr.write(`${new Date(clock.now()).toISOString()}\n`);
    if (isFirst || changed.length > 0) await print(isFirst ? rows : changed);
    isFirst = false;
  };
  const again = (): Promise<HostsFile | null> => readHosts(options, stderr, paint);
  await watchHosts(world, file, { file: again, everyMs: everyS * 1000, force: options.force, onRound }, signal);
  return 130;
}

/** Null, after every error of the file has been told. Throws when there is no file. */
async function readHosts(options: PoolHostsOptions, stderr: OutputStream, paint: Paint): Promise<HostsFile | null> {
  const bytes = await readFile(options.file);
  const read = parseHostsFile(bytes);
  if (!read.ok) {
    const source = { file: options.file, text: bytes.subarray(0, HOSTS_MAX_BYTES).toString("utf8") };
    await stderr.write(`${specErrorsText(read.errors, source, paint)}\n\nverlpool: ${options.file} is not used\n`);
    return null;
  }
  const unknown = options.only.filter((name) => !read.file.hosts.some((host) => host.name === name));
  if (unknown.length > 0) {
    await stderr.write(`verlpool: ${options.file} has no host ${unknown.join(", ")}\n`);
    return null;
  }
  if (options.only.length === 0) return read.file;
  return { ...read.file, hosts: read.file.hosts.filter((host) => options.only.includes(host.name)) };
}

function hostTable(rows: readonly HostRow[], paint: Paint): string {
  const columns = [
    { title: "HOST" },
    { title: "ROLE" },
    {
      title: "STATE",
      style: (style: Paint, text: string) => style(rows.some((row) => row.state === text && !row.ok) ? "red" : "green", text),
    },
    { title: "DID" },
    { title: "WHY" },
  ];
  const cells = rows.map((row) => [row.name, row.role, row.state, row.did ?? "-", row.why ?? ""]);
  return table(columns, cells, paint, null);
}
