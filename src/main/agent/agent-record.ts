/** What the supervisor of a detached agent says of it; `stop` and `clean` end only what stands here by pid, start time and boot. */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { z } from "zod";
import { isAlive } from "../../pool/process-record.ts";

const Process = z.object({ name: z.string(), pid: z.int(), startTicks: z.number(), bootId: z.string() });
const Record = z.object({
  schema: z.literal(1),
  role: z.enum(["server", "head", "worker"]),
  name: z.string(),
  root: z.string(),
  cluster: z.string(),
  /** The foreground command, with its flags. */
  argv: z.array(z.string()),
  supervisor: Process,
  /** Null while it waits to be started again, or has failed. */
  agent: Process.nullable(),
  state: z.enum(["running", "waiting", "failed", "stopping"]),
  /** When the supervisor began. */
  since: z.string(),
  restarts: z.int(),
  last_end: z.object({ at: z.string(), text: z.string() }).nullable(),
  next_start_at: z.string().nullable(),
  log: z.string(),
});

export type AgentRecord = z.infer<typeof Record>;

export function writeAgentRecord(path: string, record: AgentRecord): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const temporary = `${path}.${process.pid}.tmp`;
  writeFileSync(temporary, `${JSON.stringify(record, null, 2)}\n`, { mode: 0o600 });
  renameSync(temporary, path);
}

/** Null when there is none, or none that can be read. */
export function readAgentRecord(path: string): AgentRecord | null {
  try {
    return Record.parse(JSON.parse(readFileSync(path, "utf8")));
  } catch {
    return null;
  }
}

export function removeAgentRecord(path: string): void {
  rmSync(path, { force: true });
}

/** Every agent that was started here under this home and whose record still stands, in the order of their names. */
export function listAgentRecords(home: string): readonly AgentRecord[] {
  let names: string[];
  try {
    names = readdirSync(home).sort();
  } catch {
    return [];
  }
  return names.flatMap((name) => readAgentRecord(join(home, name, "record.json")) ?? []);
}

/** Those of every cluster of this root. */
export function listAgentsOf(root: string, base: string): readonly AgentRecord[] {
  return (existsSync(base) ? readdirSync(base).sort() : [])
    .flatMap((home) => listAgentRecords(join(base, home)))
    .filter((record) => record.root === root);
}

export type AgentLife = "runs" | "unsupervised" | "waits" | "failed" | "stopping" | "dead";

/** What is true of it now, whatever the record says: its writer may have been killed. */
export function lifeOf(record: AgentRecord): AgentLife {
  const hasAgent = record.agent !== null && isAlive(record.agent);
  if (!isAlive(record.supervisor)) return hasAgent ? "unsupervised" : record.state === "failed" ? "failed" : "dead";
  if (record.state === "stopping") return "stopping";
  return hasAgent ? "runs" : "waits";
}
