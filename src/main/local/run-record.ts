/** `<root>/run/pids.json`: what `up` started, by pid and start time, so that `down` ends only what is proven to be ours. */
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { z } from "zod";

const Process = z.object({ name: z.string(), pid: z.int(), startTicks: z.number(), bootId: z.string() });
const Record = z.object({
  schema: z.literal(1),
  /** The process of `up` itself. */
  up: Process,
  processes: z.array(Process),
  /** Null until everything is ready. */
  url: z.string().nullable(),
  dashboard_url: z.string().nullable(),
  started_at: z.string(),
});

export type RunRecord = z.infer<typeof Record>;

export function writeRecord(path: string, record: RunRecord): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const temporary = `${path}.${process.pid}.tmp`;
  writeFileSync(temporary, `${JSON.stringify(record, null, 2)}\n`, { mode: 0o600 });
  renameSync(temporary, path);
}

/** Null when there is none, or none that can be read. */
export function readRecord(path: string): RunRecord | null {
  try {
    return Record.parse(JSON.parse(readFileSync(path, "utf8")));
  } catch {
    return null;
  }
}

export function removeRecord(path: string): void {
  rmSync(path, { force: true });
}
