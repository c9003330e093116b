/** The server as a process of its own, to be killed at will, and an entrypoint runner for the fake Ray that starts the real launcher. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { request } from "undici";
import type { FakeRunner } from "./fake-ray-cluster.ts";
import { PYTHON } from "./launch.ts";

const CLI = join(import.meta.dirname, "../../src/main/cli.ts");
export const ADMIN_TOKEN = "test-admin-token-0123456789";
const START_MS = 60_000;

export type ServerProcess = {
  readonly url: string;
  readonly child: ChildProcess;
  /** Resolves with the exit code, or the name of the signal that ended it. */
  readonly exited: Promise<number | string>;
  readonly stderr: () => string;
};

export type ServerStart = {
  readonly root: string;
  /** Null = from head.json. */
  readonly rayAddress: string | null;
  readonly failpoint?: string;
  readonly env?: { readonly [name: string]: string };
  /** Absent = a free one. */
  readonly port?: string;
};

const started: ChildProcess[] = [];

/** Compiled sources shared by all starts halve what a start costs; they would blur coverage, so then there are none. */
function compiled(): { readonly [name: string]: string } {
  const coverage = process.env["NODE_V8_COVERAGE"];
  if (coverage !== undefined) return { NODE_V8_COVERAGE: coverage };
  return { NODE_COMPILE_CACHE: join(tmpdir(), `verlpool-test-compiled-${process.getuid?.() ?? 0}`) };
}

/** Resolves when the API listens; rejects with what the server said when it ends before. */
export async function startServerProcess(options: ServerStart): Promise<ServerProcess> {
  const child = spawn(
    process.execPath,
    ["--disable-warning=ExperimentalWarning", CLI, "server", "--dev", "--root", options.root, "--port", options.port ?? "0"],
    {
      env: {
        PATH: process.env["PATH"] ?? "/usr/bin:/bin",
        ...compiled(),
        HOME: options.root,
        MVP_INTERNAL_TOKEN: ADMIN_TOKEN,
        VERLPOOL_SCHEDULER_TICK_S: "0.1",
        VERLPOOL_SCHEDULER_HAND_OVER_S: "0",
        VERLPOOL_LEASE_BEAT_S: "0.2",
        // A helper process that has to start on a busy machine is not a hung mount.
        VERLPOOL_STORAGE_DEADLINE_S: "60",
        VERLPOOL_POOL_PYTHON: PYTHON,
        ...(options.rayAddress === null ? {} : { VERLPOOL_RAY_ADDRESS: options.rayAddress }),
        ...(options.failpoint === undefined ? {} : { VERLPOOL_FAILPOINT: options.failpoint }),
        ...options.env,
      },
      stdio: ["ignore", "pipe", "pipe"],
    },
  );
  started.push(child);
  let said = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => (said += chunk.toString()));
  const exited = once(child, "exit").then(([code, signal]) => (code as number | null) ?? (signal as string));
  const url = await new Promise<string>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`the server does not listen after ${START_MS} ms:\n${said}`)), START_MS);
    const look = (): void => {
      const match = /listening on (\S+)/.exec(said);
      if (match?.[1] === undefined) return;
      clearTimeout(timer);
      resolve(match[1]);
    };
    for (const stream of [child.stdout, child.stderr]) stream.on("data", look);
    void exited.then((how) => reject(new Error(`the server ended (${how}) before it listened:\n${said}`)));
  });
  return { url, child, exited, stderr: () => said };
}

/** Ends what tests left over, by the processes they started. */
export async function endServerProcesses(): Promise<void> {
  for (const child of started.splice(0)) {
    if (child.exitCode !== null || child.signalCode !== null) continue;
    const exited = once(child, "exit");
    child.kill("SIGKILL");
    await exited;
  }
}

/** A part of an answer as a script takes it, unchecked: a test that reads on into it fails by what it finds. */
export type Wire = { readonly [key: string]: any };

export type ApiAnswer = { readonly status: number; readonly body: { readonly [key: string]: unknown }; readonly text: string };

export async function api(
  server: Pick<ServerProcess, "url">,
  method: "GET" | "POST",
  path: string,
  body: object | string | null = null,
  headers: { readonly [name: string]: string } = {},
  token = ADMIN_TOKEN,
): Promise<ApiAnswer> {
  const type = typeof body === "string" ? "application/yaml" : "application/json";
  const answer = await request(`${server.url}${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, ...(body === null ? {} : { "content-type": type }), ...headers },
    ...(body === null ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
  });
  const text = await answer.body.text();
  const isJson = String(answer.headers["content-type"]).includes("json");
  return { status: answer.statusCode, text, body: isJson ? (JSON.parse(text) as { [key: string]: unknown }) : {} };
}

/** Asks until `accept` says yes, and throws with the last answer when it does not in time. A server that is away is asked again. */
export async function waitForTask(
  server: Pick<ServerProcess, "url">,
  taskId: string,
  accept: (task: { readonly [key: string]: unknown }) => boolean,
  withinMs = 60_000,
): Promise<{ readonly [key: string]: unknown }> {
  const deadline = AbortSignal.timeout(withinMs);
  for (;;) {
    const { body } = await api(server, "GET", `/api/v2/tasks/${taskId}`);
    if (accept(body)) return body;
    if (deadline.aborted) throw new Error(`not within ${withinMs} ms: ${JSON.stringify(body)}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

export function hasEnded(task: { readonly [key: string]: unknown }): boolean {
  return ["SUCCEEDED", "FAILED", "CANCELED"].includes(String(task["state"]));
}

/** Runs entrypoints as Ray does: through a shell, in a process group of their own, with TERM and then KILL on stop. */
export function entrypointRunner(): FakeRunner {
  return ({ submission, signal }) =>
    new Promise((resolve, reject) => {
      const env = { PATH: process.env["PATH"] ?? "/usr/bin:/bin", ...submission.runtime_env?.env_vars };
      const child = spawn("sh", ["-c", submission.entrypoint], { env, detached: true, stdio: "ignore" });
      const kill = (name: "SIGTERM" | "SIGKILL"): void => {
        try {
          if (child.pid !== undefined) process.kill(-child.pid, name);
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
        }
      };
      let killer: NodeJS.Timeout | undefined;
      signal.addEventListener("abort", () => {
        kill("SIGTERM");
        killer = setTimeout(() => kill("SIGKILL"), 10_000);
      });
      child.once("error", reject);
      child.once("exit", (code) => {
        clearTimeout(killer);
        resolve({ exitCode: code ?? -9 });
      });
    });
}
