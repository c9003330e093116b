/** Which Python the environment is built from, and what it can do. */
import { execFile } from "node:child_process";
import { promisify } from "node:util";

const run = promisify(execFile);

export type Interpreter = {
  /** The executable itself, not a shim or a link in PATH. */
  readonly executable: string;
  /** `3.11.7` */
  readonly version: string;
  /** `x86_64`, `aarch64`, `arm64` */
  readonly machine: string;
  /** `venv` with `ensurepip`: Debian leaves it to the package python3-venv. */
  readonly hasVenv: boolean;
  readonly hasPip: boolean;
};

const PROBE = `
import importlib.util as u, json, platform, sys
has = lambda *names: all(u.find_spec(name) for name in names)
print(json.dumps([sys.executable, platform.python_version(), platform.machine(), has("venv", "ensurepip"), has("pip")]))
`;

/** python3 first, since that is what a person checks; then the versions that verl's pins are made for. */
const CANDIDATES = ["python3", "python3.11", "python3.12", "python3.10"];
const OLDEST = 10;
/** verl 0.9's own dependencies (tensordict, ray) have wheels for these; a newer one may lack some. */
const NEWEST_TRIED = 12;

/** The minor version of a Python 3, or null for another text. */
export function minorOf(version: string): number | null {
  const match = /^3\.(\d+)\./.exec(version);
  return match?.[1] === undefined ? null : Number(match[1]);
}

/** The best of what was found: 3.10–3.12 in the order found, else a newer one, else null. */
export function chooseInterpreter(found: readonly Interpreter[]): Interpreter | null {
  const minor = (one: Interpreter) => minorOf(one.version) ?? 0;
  const usable = found.filter((one) => minor(one) >= OLDEST && (one.hasVenv || one.hasPip));
  return usable.find((one) => minor(one) <= NEWEST_TRIED) ?? usable[0] ?? null;
}

/** `asked` (`--python`) is taken or refused; without it the best in PATH. Throws with what to do. */
export async function findInterpreter(
  asked: string | null,
  env: { readonly [key: string]: string },
  signal: AbortSignal,
): Promise<{ readonly interpreter: Interpreter; readonly warning: string | null }> {
  const found: Interpreter[] = [];
  for (const name of asked === null ? CANDIDATES : [asked]) {
    const one = await probe(name, env, signal);
    if (one !== null) found.push(one);
  }
  const interpreter = chooseInterpreter(found);
  if (interpreter === null) throw new Error(noInterpreter(asked, found));
  const isNew = (minorOf(interpreter.version) ?? 0) > NEWEST_TRIED;
  const warning = isNew
    ? `Python ${interpreter.version} is newer than 3.${NEWEST_TRIED}, with which verl was tried: if pip finds no wheels, give --python`
    : null;
  return { interpreter, warning };
}

function noInterpreter(asked: string | null, found: readonly Interpreter[]): string {
  const list = found
    .map((one) => `${one.executable} is ${one.version}${one.hasVenv || one.hasPip ? "" : " without venv and pip"}`)
    .join("; ");
  const what = asked === null ? `none of ${CANDIDATES.join(", ")} in PATH` : asked;
  const why = found.length === 0 ? "could not be run" : `does not do (${list})`;
  return `verl needs Python 3.10 to 3.12 with pip: ${what} ${why}. Install one (Debian: apt install python3 python3-venv) or name it with --python`;
}

async function probe(name: string, env: { readonly [key: string]: string }, signal: AbortSignal): Promise<Interpreter | null> {
  try {
    const { stdout } = await run(name, ["-I", "-c", PROBE], { env, signal, timeout: 60_000 });
    const [executable, version, machine, hasVenv, hasPip] = JSON.parse(stdout) as [string, string, string, boolean, boolean];
    return { executable, version, machine, hasVenv, hasPip };
  } catch {
    // Not there, or a shim of a version manager that stands for nothing: the next candidate decides.
    signal.throwIfAborted();
    return null;
  }
}

/** Whether an NVIDIA GPU answers on this machine. */
export async function hasNvidiaGpu(env: { readonly [key: string]: string }, signal: AbortSignal): Promise<boolean> {
  try {
    const { stdout } = await run("nvidia-smi", ["-L"], { env, signal, timeout: 30_000 });
    return /^GPU \d+:/m.test(stdout);
  } catch {
    signal.throwIfAborted();
    return false;
  }
}
