/**
 * Where each thread of a process stands, as text: by py-spy where it is (Ray's dashboard brings it), and always by what /proc tells. The processes are only
 * read: py-spy's --nonblocking neither stops nor traces them.
 */
import { execFile } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { promisify } from "node:util";
import { startTicksOf } from "./process-record.ts";

const run = promisify(execFile);

/** Of one process: py-spy reads the symbols of its interpreter first. */
const TIMEOUT_MS = 15_000;
const MOST_BYTES = 64 * 1024;
const MOST_PROCESSES = 64;
/** Of all of them: one answer goes through the storage helper at once. */
const MOST_TEXT = 1024 * 1024;
const MOST_THREADS = 64;
const AT_ONCE = 4;

export type StackTarget = { readonly pid: number; readonly startTicks: number };

/** `pySpy`: where to look for it, a path or a name on PATH. Bounded in size and by `signal`, after which what is there is returned. */
export async function stacksOf(targets: readonly StackTarget[], pySpy: string, path: string, signal: AbortSignal): Promise<string> {
  const chosen = targets.slice(0, MOST_PROCESSES);
  const parts = new Map<number, string>();
  const queue = [...chosen];
  const worker = async (): Promise<void> => {
    for (let target = queue.shift(); target !== undefined; target = queue.shift())
      parts.set(target.pid, await stackOf(target, pySpy, path, signal));
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  let text = "";
  let told = 0;
  for (const { pid } of chosen) {
    const part = parts.get(pid) ?? "";
    if (text.length + part.length > MOST_TEXT) break;
    text += part === "" ? "" : `${part}\n`;
    told += 1;
  }
  return told === targets.length ? text : `${text}and ${targets.length - told} more processes, for which there was no room\n`;
}

async function stackOf({ pid, startTicks }: StackTarget, pySpy: string, path: string, signal: AbortSignal): Promise<string> {
  const threads = threadsOf(pid);
  // Another process may have got its pid meanwhile.
  if (startTicksOf(pid) !== startTicks) return "";
  const command = readText(`/proc/${pid}/cmdline`).replaceAll("\0", " ").trim().slice(0, 300);
  const stack = await pythonStack(pid, pySpy, path, signal);
  return `==== process ${pid}: ${command}\n${stack.trimEnd()}\n${threads}`;
}

async function pythonStack(pid: number, pySpy: string, path: string, signal: AbortSignal): Promise<string> {
  if (signal.aborted) return "(there was no time left to look into it)";
  const options = { env: { PATH: path }, signal, timeout: TIMEOUT_MS, killSignal: "SIGKILL" as const, maxBuffer: MOST_BYTES };
  try {
    return (await run(pySpy, ["dump", "--nonblocking", "--pid", String(pid)], options)).stdout;
  } catch (error) {
    const {
      code,
      killed,
      stdout = "",
      stderr = "",
    } = error as Error & { code?: unknown; killed?: boolean; stdout?: string; stderr?: string };
    if (code === "ENOENT") return "(no Python stack: py-spy is not there; pip install py-spy into the pool's environment)";
    if (code === "ERR_CHILD_PROCESS_STDIO_MAXBUFFER") return `${stdout.slice(0, MOST_BYTES)}\n(cut at ${MOST_BYTES} bytes)`;
    if (signal.aborted || killed === true) return `${stdout}\n(py-spy did not end in time)`;
    return `${stdout}(no Python stack: py-spy says ${stderr.trim().split("\n")[0] ?? "nothing"})`;
  }
}

/** A line a thread: its name, its state, and what in the kernel it waits for. */
function threadsOf(pid: number): string {
  const ids = namesIn(`/proc/${pid}/task`);
  const lines = ids.slice(0, MOST_THREADS).map((tid) => {
    const at = `/proc/${pid}/task/${tid}`;
    const state = /^State:\t(.+)$/m.exec(readText(`${at}/status`))?.[1] ?? "?";
    const waits = readText(`${at}/wchan`) || "?";
    const kernel = readText(`${at}/stack`)
      .split("\n")
      .slice(0, 8)
      .flatMap((line) => /^\[<\w+>\] (\S+?)\+/.exec(line)?.[1] ?? []);
    const stack = kernel.length === 0 ? "" : ` (${kernel.join(" < ")})`;
    return `  thread ${tid} ${readText(`${at}/comm`).trim()}: ${state}, in ${waits}${stack}\n`;
  });
  return lines.join("") + (ids.length > MOST_THREADS ? `  and ${ids.length - MOST_THREADS} more threads\n` : "");
}

function namesIn(path: string): readonly string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

/** "" for what is gone or not ours to read: all of it is for people. */
function readText(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return "";
  }
}
