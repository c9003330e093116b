/** What a machine must give to a server, a head or a worker. Pure. */
import { type Check, fail, gib, ok, warn } from "./check.ts";

export type Listener = "free" | "ours" | "stranger";

export function judgePort(port: number, listener: Listener): readonly Check[] {
  const name = "port";
  if (listener === "free") return [ok(name, `${port} is free`)];
  if (listener === "ours") return [ok(name, `verlpool answers on ${port}`)];
  return [
    fail(
      name,
      `something else listens on ${port}`,
      "the server can't start there",
      `end it (ss -ltnp "sport = :${port}" shows it), or set server.port`,
    ),
  ];
}

export type Containment = "pidns" | "userns" | "none";

export function judgeContainment(containment: Containment): readonly Check[] {
  const name = "namespaces";
  if (containment === "pidns") return [ok(name, "PID namespaces work")];
  if (containment === "userns") return [ok(name, "PID namespaces work through user namespaces")];
  return [
    warn(
      name,
      "this user may make neither PID nor user namespaces",
      "what a job starts can outlive its end; the agent finds it by its environment, which takes longer",
      "allow CAP_SYS_ADMIN to the container, or user namespaces: sysctl kernel.unprivileged_userns_clone=1, kernel.apparmor_restrict_unprivileged_userns=0",
    ),
  ];
}

export type LimitFacts = { readonly openFiles: number; readonly processes: number };

export function judgeLimits({ openFiles, processes }: LimitFacts): readonly Check[] {
  const name = "ulimit";
  const text = (value: number): string => (value === Number.POSITIVE_INFINITY ? "unlimited" : String(value));
  const found = `open files ${text(openFiles)}, processes ${text(processes)}`;
  if (openFiles < 1_024 || processes < 1_024)
    return [
      fail(
        name,
        found,
        "Ray can't start its workers",
        "raise them: ulimit -n 1048576; ulimit -u unlimited (docker: --ulimit nofile=1048576)",
      ),
    ];
  if (openFiles < 65_536 || processes < 8_192)
    return [
      warn(
        name,
        found,
        "a gang with many actors runs out, with `No available agent to submit job` or `Resource temporarily unavailable`",
        "raise them: ulimit -n 1048576; ulimit -u unlimited (docker: --ulimit nofile=1048576)",
      ),
    ];
  return [ok(name, found)];
}

export type ShmFacts = { readonly where: string; readonly totalBytes: number | null; readonly freeBytes: number };

const LEAST_SHM = 2 * 2 ** 30;

export function judgeShm(machines: readonly ShmFacts[]): readonly Check[] {
  const name = "/dev/shm";
  const low = machines.filter(({ freeBytes }) => freeBytes < LEAST_SHM);
  const text = (one: ShmFacts): string =>
    `${one.where}: ${gib(one.freeBytes)} free${one.totalBytes === null ? "" : ` of ${gib(one.totalBytes)}`}`;
  if (low.length > 0)
    return [
      warn(
        name,
        low.map(text).join("; "),
        "NCCL and Ray's object store live there: runs die with `Bus error` or spill to disk",
        "give the container more (docker: --shm-size=64g; Kubernetes: an emptyDir with medium: Memory), or remove what dead runs left there",
      ),
    ];
  return [ok(name, machines.map(text).join("; "))];
}

const DEVELOPMENT_TOKEN = "mvp-dev-token";

/** `token` "" = unset. Nothing of it is shown. */
export function judgeToken(variable: string, token: string): readonly Check[] {
  const name = "admin token";
  const better = `${variable}=$(openssl rand -hex 24)`;
  if (token === "") return [warn(name, `${variable} is not set here`, "a server started from this shell refuses to start", better)];
  if (token === DEVELOPMENT_TOKEN)
    return [warn(name, `${variable} is the development token`, "everybody knows it; only `--dev` on loopback takes it", better)];
  if (token.length < 16)
    return [fail(name, `${variable} has ${token.length} characters`, "the server refuses to start: at least 16 are needed", better)];
  const kinds = new Set(token).size;
  if (kinds < 8) return [warn(name, `${variable} has only ${kinds} different characters`, "it can be guessed", better)];
  return [ok(name, `${variable} has ${token.length} characters`)];
}
