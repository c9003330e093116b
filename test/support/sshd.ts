/** A real OpenSSH server on loopback, with keys of its own, for the user who runs the tests. */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { userInfo } from "node:os";
import { join } from "node:path";
import { chooseFreePorts } from "../../src/pool/free-ports.ts";

export type Sshd = {
  readonly port: number;
  /** For `ssh -F`: the user's key, and known_hosts with this server's key. */
  readonly configFile: string;
  readonly user: string;
  readonly log: () => string;
  readonly stop: () => Promise<void>;
};

const PROGRAM = "/usr/sbin/sshd";

export async function startSshd(dir: string): Promise<Sshd> {
  if (!existsSync(PROGRAM)) throw new Error(`${PROGRAM} is missing: apt-get install openssh-server`);
  const [port] = await chooseFreePorts(1, process.pid);
  if (port === undefined) throw new Error("no free port");
  const user = userInfo().username;
  for (const name of ["host_key", "user_key"]) execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", join(dir, name)]);
  writeFileSync(join(dir, "authorized_keys"), readFileSync(join(dir, "user_key.pub")), { mode: 0o600 });
  writeFileSync(join(dir, "known_hosts"), `[127.0.0.1]:${port} ${readFileSync(join(dir, "host_key.pub"), "utf8")}`);
  const server = [
    `ListenAddress 127.0.0.1:${port}`,
    `HostKey ${join(dir, "host_key")}`,
    `AuthorizedKeysFile ${join(dir, "authorized_keys")}`,
    `PidFile ${join(dir, "sshd.pid")}`,
    `AllowUsers ${user}`,
    "AuthenticationMethods publickey",
    "PermitRootLogin prohibit-password",
    // The keys lie in a folder of /tmp, which others may write to.
    "StrictModes no",
    "UsePAM no",
    "UseDNS no",
    "MaxStartups 100",
    "LogLevel VERBOSE",
  ];
  writeFileSync(join(dir, "sshd_config"), `${server.join("\n")}\n`);
  const configFile = join(dir, "ssh_config");
  const client = [
    `IdentityFile ${join(dir, "user_key")}`,
    "IdentitiesOnly yes",
    `UserKnownHostsFile ${join(dir, "known_hosts")}`,
    "GlobalKnownHostsFile none",
  ];
  writeFileSync(configFile, `${client.join("\n")}\n`);
  chmodSync(configFile, 0o600);
  // Debian's sshd wants it when it is root; its package's service would make it.
  if (process.getuid?.() === 0) mkdirSync("/run/sshd", { recursive: true, mode: 0o755 });
  const log: string[] = [];
  const sshd = spawn(PROGRAM, ["-D", "-e", "-f", join(dir, "sshd_config")], { stdio: ["ignore", "ignore", "pipe"] });
  sshd.stderr.setEncoding("utf8").on("data", (text: string) => log.push(text));
  const ended = once(sshd, "exit");
  while (!(await answers(port))) if (sshd.exitCode !== null) throw new Error(`sshd ended with ${sshd.exitCode}: ${log.join("")}`);
  return {
    port,
    configFile,
    user,
    log: () => log.join(""),
    stop: async () => {
      sshd.kill("SIGTERM");
      await ended;
    },
  };
}

async function answers(port: number): Promise<boolean> {
  const socket = connect({ host: "127.0.0.1", port });
  try {
    await once(socket, "data", { signal: AbortSignal.timeout(1_000) });
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}
