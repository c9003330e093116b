/** Runs the real launcher on a job directory of its own, for tests. Linux only. */
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const LAUNCHER = join(import.meta.dirname, "../../src/launcher/launch.py");
const TRACER = join(import.meta.dirname, "trace_launch.py");
const NOBODY = 65_534;
/** Not a shim of a home directory: an ordinary user must be able to run it too. */
export const PYTHON = existsSync("/usr/bin/python3") ? "/usr/bin/python3" : "python3";

export type Containment = "pidns" | "userns" | "group";

const AS_NOBODY = ["setpriv", "--reuid", String(NOBODY), "--regid", String(NOBODY), "--clear-groups", "--bounding-set=-all"];

/** False where the kernel gives an ordinary user no namespace of his own: by its settings, or inside a chroot. */
function hasUserNamespaces(): boolean {
  const [command = "", ...args] = AS_NOBODY;
  return spawnSync(command, [...args, "unshare", "--user", "--pid", "--fork", "true"]).status === 0;
}

/** Commands that leave the launcher no better containment than the named one; what is not possible on this machine is left out. */
export const CONTAINMENTS: readonly { readonly containment: Containment; readonly wrap: readonly string[]; readonly uid: number }[] = [
  { containment: "pidns" as const, wrap: [], uid: 0 },
  { containment: hasUserNamespaces() ? ("userns" as const) : ("group" as const), wrap: AS_NOBODY, uid: NOBODY },
  {
    containment: "group" as const,
    wrap: [
      "unshare",
      "-Ur",
      "sh",
      "-c",
      'echo 0 > /proc/sys/user/max_user_namespaces; echo 0 > /proc/sys/user/max_pid_namespaces; exec "$@"',
      "sh",
    ],
    uid: 0,
  },
].filter(
  ({ wrap }) =>
    process.getuid?.() === 0 && spawnSync(wrap[0] ?? "true", [...wrap.slice(1), ...(wrap.length > 0 ? ["true"] : [])]).status === 0,
);

export type Job = {
  /** The shared root, `<root>/users/u/jobs/<id>` below it. */
  readonly root: string;
  readonly directory: string;
  readonly userId: string;
  readonly submissionId: string;
  readonly launcher: string;
};

export type JobOptions = {
  readonly argv: readonly string[];
  readonly beatS?: number;
  readonly selfFenceS?: number;
  readonly graceS?: number;
  /** Further fields of attempt.json. */
  readonly fields?: object;
  readonly uid?: number;
};

let jobs = 0;
const made: { readonly roots: string[]; readonly children: ChildProcess[] } = { roots: [], children: [] };

/** A prepared job directory under a new root; removed by `cleanUp`. */
export function makeJob(options: JobOptions): Job {
  jobs += 1;
  const root = mkdtempSync(join(tmpdir(), "verlpool-launch-"));
  made.roots.push(root);
  const submissionId = `mvp2-u-sft-20260101-000000-${(process.pid * 1000 + jobs).toString(16).padStart(8, "0")}--a01`;
  const directory = join(root, "users/u/jobs", submissionId);
  for (const name of ["control", "logs", "config", "checkpoints", "debug"]) mkdirSync(join(directory, name), { recursive: true });
  const attempt = {
    schema: 1,
    submission_id: submissionId,
    task_id: submissionId.slice(0, -5),
    user_id: "u",
    attempt: 1,
    argv: options.argv,
    env: {},
    cwd: null,
    beat_s: options.beatS ?? 0.2,
    self_fence_s: options.selfFenceS ?? 15,
    grace_s: options.graceS ?? 1,
    deadline: null,
    root,
    ...options.fields,
  };
  writeFileSync(join(directory, "control/attempt.json"), JSON.stringify(attempt));
  const launcher = join(root, "launch.py");
  copyFileSync(LAUNCHER, launcher);
  const tree = readdirSync(root, { recursive: true, encoding: "utf8" });
  for (const path of ["", ...tree])
    if (options.uid !== undefined && options.uid !== 0) chownSync(join(root, path), options.uid, options.uid);
  chmodSync(launcher, 0o755);
  return { root, directory, userId: "u", submissionId, launcher };
}

export type Launched = {
  readonly child: ChildProcess;
  /** Everything the launcher wrote to stdout and stderr so far. */
  readonly output: () => Buffer;
  /** The exit code, or the name of the signal. */
  readonly exited: Promise<number | string>;
};

export type LaunchOptions = {
  /** Put before the interpreter. */
  readonly wrap?: readonly string[];
  /** Python text run in the launcher's interpreter before launch.py: to make the world fail. */
  readonly before?: string;
  readonly env?: { readonly [key: string]: string };
};

export function launch(job: Job, options: LaunchOptions = {}): Launched {
  const [program, ...args] = [...(options.wrap ?? []), PYTHON, "-I", "-S", ...script(job, options.before), job.directory];
  const env = { PATH: process.env["PATH"] ?? "/usr/bin:/bin", VERLPOOL_ATTEMPT: job.submissionId, ...options.env };
  const child = spawn(program, args, { detached: true, env, stdio: ["ignore", "pipe", "pipe"] });
  made.children.push(child);
  const chunks: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => chunks.push(chunk));
  const exited = new Promise<number | string>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => resolve(code ?? signal ?? "unknown"));
  });
  return { child, output: () => Buffer.concat(chunks), exited };
}

function script(job: Job, before: string | undefined): readonly string[] {
  const notes = process.env["VERLPOOL_LAUNCH_COVERAGE"];
  if (before !== undefined) {
    const path = join(job.root, "before.py");
    writeFileSync(path, `import os, runpy, sys\n${before}\nsys.argv = sys.argv[1:]\nrunpy.run_path(sys.argv[0], run_name="__main__")\n`);
    return notes === undefined ? [path, job.launcher] : [path, TRACER, notes, job.launcher];
  }
  return notes === undefined ? [job.launcher] : [TRACER, notes, job.launcher];
}

/** Living processes whose environment carries the attempt's tag. */
export function processesOf(job: Job): readonly number[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        // A zombie's environment is empty.
        return `\0${readFileSync(`/proc/${pid}/environ`, "latin1")}`.includes(`\0VERLPOOL_ATTEMPT=${job.submissionId}\0`);
      } catch {
        return false;
      }
    })
    .map(Number);
}

/** The command line of a process; empty when it has ended. */
export function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "latin1").replaceAll("\0", " ");
  } catch {
    return "";
  }
}

/** The launcher's inner process: the only child of the outer one. */
export function innerOf(launched: Launched): number {
  const { pid } = launched.child;
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "ascii").trim().split(" ");
  return Number(children[0]);
}

export function readJson(job: Job, path: string): { readonly [key: string]: unknown } | null {
  try {
    return JSON.parse(readFileSync(join(job.directory, path), "utf8")) as { readonly [key: string]: unknown };
  } catch {
    return null;
  }
}

export function readText(job: Job, path: string): string {
  try {
    return readFileSync(join(job.directory, path), "latin1");
  } catch {
    return "";
  }
}

/** Waits until `condition` holds; throws with `what` after `deadlineMs`. */
export async function until(what: string, condition: () => boolean, deadlineMs = 20_000): Promise<void> {
  const deadline = AbortSignal.timeout(deadlineMs);
  while (!condition()) {
    if (deadline.aborted) throw new Error(`not within ${deadlineMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Kills what tests left over, by the pids they started and by the tag, and removes their directories. */
export function cleanUp(): void {
  for (const child of made.children.splice(0)) if (child.exitCode === null && child.signalCode === null) child.kill("SIGKILL");
  for (const root of made.roots.splice(0)) rmSync(root, { recursive: true, force: true });
}
