/** head.json and epochs/ of a cluster (docs: Discovery): who is head, where, and that it lives. */
import { linkSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export type HeadRecord = {
  readonly schema: 1;
  readonly cluster: string;
  readonly epoch: number;
  readonly seq: number;
  readonly session: string;
  readonly address: string;
  readonly dashboard_url: string;
  readonly released: boolean;
  readonly ray_version: string;
  readonly python_version: string;
  readonly owner: HeadOwner;
  readonly published_at: string;
  readonly expires_at: string;
  readonly mac: null;
};

/** pid, start_ticks and boot_id let the same host prove that an old owner is gone, without waiting. */
export type HeadOwner = {
  readonly host: string;
  readonly nonce: string;
  readonly pid: number;
  readonly start_ticks: number;
  readonly boot_id: string;
};

const MAX_BYTES = 64 * 1024;

/** The record that stands there; null when there is none. Throws when it can't be read as one. */
export function readHeadFile(discoveryDir: string): HeadRecord | null {
  const file = join(discoveryDir, "head.json");
  let text: string;
  try {
    if (statSync(file).size > MAX_BYTES) throw new Error(`${file} is longer than ${MAX_BYTES} bytes`);
    text = readFileSync(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
  const record = JSON.parse(text) as HeadRecord;
  if (record.schema !== 1 || typeof record.seq !== "number" || typeof record.owner?.host !== "string") {
    throw new Error(`${file} is no head record of schema 1: move it away if no head runs`);
  }
  return record;
}

/** Temp + rename: a reader sees the old record or the new one, never half of one. */
export function writeHeadFile(discoveryDir: string, record: HeadRecord): void {
  const temp = join(discoveryDir, `.head.json.${record.owner.nonce}`);
  writeFileSync(temp, `${JSON.stringify(record)}\n`, { mode: 0o644 });
  renameSync(temp, join(discoveryDir, "head.json"));
}

/** The highest epoch that anybody took; 0 = none. */
export function highestEpoch(discoveryDir: string): number {
  const epochs = readdirSync(join(discoveryDir, "epochs")).filter((name) => /^\d{10}$/.test(name));
  return epochs.map(Number).reduce((high, epoch) => Math.max(high, epoch), 0);
}

/** Takes the next epoch by `link`, which one of several takers wins. A lost link counts as won when the file has our second name (an NFS retry). */
export function takeEpoch(discoveryDir: string, owner: HeadOwner, at: string): number {
  const epochs = join(discoveryDir, "epochs");
  mkdirSync(epochs, { recursive: true, mode: 0o755 });
  const temp = join(epochs, `.${owner.nonce}`);
  writeFileSync(temp, `${JSON.stringify({ host: owner.host, nonce: owner.nonce, at })}\n`, { mode: 0o644 });
  try {
    for (;;) {
      const epoch = highestEpoch(discoveryDir) + 1;
      try {
        linkSync(temp, join(epochs, String(epoch).padStart(10, "0")));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
      }
      if (statSync(temp).nlink === 2) return epoch;
    }
  } finally {
    rmSync(temp, { force: true });
  }
}
