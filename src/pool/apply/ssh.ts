/** One command on another host, by OpenSSH's own client: its configuration, keys and known hosts count, and nobody is asked anything. */
import { spawn } from "node:child_process";
import type { SshTarget } from "../../domain/pool-hosts.ts";

export type Ssh = {
  /** `ssh`, or the path of one. */
  readonly program: string;
  /** `-F`: another configuration than the user's own; null = that one. */
  readonly configFile: string | null;
  /** The whole environment of the client (plain-env.ts); nothing is inherited. */
  readonly env: { readonly [name: string]: string };
};

export type RemoteEnd =
  /** The script ran to its end. */
  | { readonly kind: "ended"; readonly code: number; readonly stdout: string; readonly stderr: string }
  /** The host was not reached, refused us, or did not answer in time. */
  | { readonly kind: "unreachable"; readonly why: string };

const CONNECT_S = 10;
const MOST_OUTPUT = 256 * 1024;
/** OpenSSH's own failures; a script of ours never ends with it. */
const SSH_FAILED = 255;

/**
 * BatchMode: no password, no question about an unknown host key, which is refused. `--` and the parsed target keep a host's name from being an option.
 * What a user's configuration may add to an interactive session (a terminal, forwarded agents and ports, a command) is switched off.
 */
export function sshArgv(ssh: Ssh, target: SshTarget): readonly string[] {
  const options = {
    BatchMode: "yes",
    ConnectTimeout: String(CONNECT_S),
    ConnectionAttempts: "1",
    ServerAliveInterval: "5",
    ServerAliveCountMax: "3",
    ClearAllForwardings: "yes",
    ForwardAgent: "no",
    ForwardX11: "no",
    PermitLocalCommand: "no",
    RemoteCommand: "none",
    RequestTTY: "no",
    LogLevel: "ERROR",
  };
  return [
    ...(ssh.configFile === null ? [] : ["-F", ssh.configFile]),
    ...Object.entries(options).flatMap(([name, value]) => ["-o", `${name}=${value}`]),
    ...(target.port === null ? [] : ["-p", String(target.port)]),
    ...(target.user === null ? [] : ["-l", target.user]),
    "--",
    target.host,
    // Constant: whatever login shell the user has understands it. The script comes over stdin.
    "exec /bin/sh -s",
  ];
}

/** Runs a script of POSIX sh on the host; rejects only with the signal's reason. */
export async function runOnHost(ssh: Ssh, target: SshTarget, script: string, timeoutMs: number, signal: AbortSignal): Promise<RemoteEnd> {
  signal.throwIfAborted();
  const deadline = AbortSignal.timeout(timeoutMs);
  const child = spawn(ssh.program, sshArgv(ssh, target), { env: ssh.env, stdio: ["pipe", "pipe", "pipe"] });
  const kill = (): void => void child.kill("SIGKILL");
  const over = AbortSignal.any([signal, deadline]);
  over.addEventListener("abort", kill, { once: true });
  const [stdout, stderr] = [collect(child.stdout), collect(child.stderr)];
  // A client that ended before it read the script says so by its end.
  child.stdin.on("error", () => undefined);
  child.stdin.end(script);
  try {
    const end = await new Promise<{ readonly code: number | null; readonly error: Error | null }>((resolve) => {
      child.once("error", (error) => resolve({ code: null, error }));
      child.once("close", (code) => resolve({ code, error: null }));
    });
    signal.throwIfAborted();
    if (end.error !== null) return { kind: "unreachable", why: `${ssh.program} could not be started: ${end.error.message}` };
    if (deadline.aborted) return { kind: "unreachable", why: `no answer within ${timeoutMs / 1000} s` };
    if (end.code === SSH_FAILED || end.code === null) return { kind: "unreachable", why: sshProblem(stderr()) };
    return { kind: "ended", code: end.code, stdout: stdout(), stderr: stderr() };
  } finally {
    over.removeEventListener("abort", kill);
  }
}

function collect(stream: NodeJS.ReadableStream): () => string {
  const parts: Buffer[] = [];
  let size = 0;
  stream.on("data", (part: Buffer) => {
    size += part.length;
    if (size <= MOST_OUTPUT) parts.push(part);
  });
  return () => Buffer.concat(parts).toString("utf8");
}

/** ssh's last words, and what to do where they alone do not say it. */
export function sshProblem(stderr: string): string {
  const lines = stderr.split(/\r?\n/).filter((line) => line.trim() !== "");
  const last = (lines.at(-1) ?? "ssh ended without a word").replace(/^ssh: /, "");
  if (/REMOTE HOST IDENTIFICATION HAS CHANGED/.test(stderr))
    return "the host's key is another one than in known_hosts: find out why before you change it there";
  if (last.includes("Host key verification failed")) return `${last} Connect once by hand, and compare its key`;
  if (last.includes("Permission denied")) return `${last} Nobody is asked for a password: use a key that an agent holds or that has none`;
  return last;
}
