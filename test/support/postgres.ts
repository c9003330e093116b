/** A real Postgres server of a test's own: a temporary data directory, a free loopback port, no socket file, stopped by its pid. */
import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chownSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import pg from "pg";

export type PostgresServer = {
  readonly url: (database: string) => string;
  /** Ends every connection at once, as a crash does, and starts the server again on the same data. */
  readonly restart: () => Promise<void>;
  readonly stop: () => Promise<void>;
};

const START_DEADLINE_MS = 120_000;
const ROOT = "/usr/lib/postgresql";

type Account = { readonly uid: number; readonly gid: number };

/** `durable: false` skips fsync: right for tests of behaviour, wrong for a benchmark. Throws when no server is installed. */
export async function startPostgres(options: { readonly durable: boolean }): Promise<PostgresServer> {
  const binaries = findBinaries();
  const account = unprivileged();
  const folder = mkdtempSync(join(tmpdir(), "verlpool-postgres-"));
  const password = randomBytes(12).toString("hex");
  const passwordFile = join(folder, "password");
  writeFileSync(passwordFile, password, { mode: 0o600 });
  if (account !== null) for (const path of [folder, passwordFile]) chownSync(path, account.uid, account.gid);
  const data = join(folder, "data");
  const initialize = ["-D", data, "-U", "verlpool", "--auth=scram-sha-256", `--pwfile=${passwordFile}`, "--locale=C.UTF-8", "--no-sync"];
  execFileSync(join(binaries, "initdb"), initialize, { ...account, cwd: folder, stdio: ["ignore", "ignore", "inherit"] });

  const port = await freePort();
  const url = (database: string): string => `postgres://verlpool:${password}@127.0.0.1:${port}/${database}`;
  const settings = ["listen_addresses=127.0.0.1", "unix_socket_directories=", `fsync=${options.durable ? "on" : "off"}`];
  const start = async (): Promise<ChildProcess> => {
    const child = spawn(join(binaries, "postgres"), ["-D", data, "-p", String(port), ...settings.flatMap((each) => ["-c", each])], {
      ...account,
      cwd: folder,
      stdio: ["ignore", "ignore", "pipe"],
    });
    const log: string[] = [];
    child.stderr.on("data", (chunk: Buffer) => log.push(chunk.toString()));
    await untilAnswering(url("postgres"), child, log);
    return child;
  };
  let server = await start();
  const restart = async (): Promise<void> => {
    await end(server, "SIGQUIT");
    server = await start();
  };
  const stop = async (): Promise<void> => {
    await end(server, "SIGINT");
    rmSync(folder, { recursive: true });
  };
  return { url, restart, stop };
}

function findBinaries(): string {
  const versions = listFolder(ROOT).sort((a, b) => Number(b) - Number(a));
  const found = versions.map((version) => join(ROOT, version, "bin")).find((folder) => listFolder(folder).includes("initdb"));
  if (found === undefined) {
    throw new Error(`no Postgres server under ${ROOT}; install Debian's package: apt-get update && apt-get install -y postgresql`);
  }
  return found;
}

function listFolder(path: string): string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

/** Postgres refuses to run as root; Debian's package brings the account `postgres`. */
function unprivileged(): Account | null {
  if (process.getuid?.() !== 0) return null;
  const id = (flag: string): number => Number(execFileSync("id", [flag, "postgres"], { encoding: "utf8" }));
  return { uid: id("-u"), gid: id("-g") };
}

async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, "127.0.0.1", resolve));
  const address = probe.address();
  await new Promise((resolve) => probe.close(resolve));
  if (address === null || typeof address === "string") throw new Error("the probe socket has no port");
  return address.port;
}

async function untilAnswering(url: string, server: ChildProcess, log: readonly string[]): Promise<void> {
  const deadline = Date.now() + START_DEADLINE_MS;
  for (;;) {
    const client = new pg.Client({ connectionString: url });
    try {
      await client.connect();
      await client.end();
      return;
    } catch (error) {
      if (server.exitCode === null && Date.now() < deadline) {
        await pause(50);
        continue;
      }
      await end(server, "SIGQUIT");
      throw new Error(`Postgres did not start; its log:\n${log.join("")}`, { cause: error });
    }
  }
}

async function end(server: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return;
  const exit = new Promise((resolve) => server.once("exit", resolve));
  server.kill(signal);
  await exit;
}
