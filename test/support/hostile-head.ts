/** What may stand where head.json should: torn, stale, of another kind of file, of the future, or a lie. */
import { execFileSync } from "node:child_process";
import { lchownSync, lstatSync, mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export const HOSTILE_HEADS = [
  "torn",
  "empty",
  "noise",
  "directory",
  "fifo",
  "symlink",
  "future schema",
  "stale",
  "another address",
  "absent",
] as const;

export type HostileHead = (typeof HOSTILE_HEADS)[number];

/** `share` in [0, 1) says where a torn one ends; `stale`: what stood there earlier. */
export function plantHead(discoveryDir: string, uid: number, kind: HostileHead, share: number, stale: string): void {
  const file = join(discoveryDir, "head.json");
  const temp = join(discoveryDir, ".planted");
  const text = readText(file) ?? stale;
  rmSync(temp, { recursive: true, force: true });
  if (kind === "absent") return rmSync(file, { recursive: true, force: true });
  if (kind === "directory") mkdirSync(join(temp, "in-it"), { recursive: true });
  else if (kind === "fifo") execFileSync("mkfifo", [temp]);
  else if (kind === "symlink") symlinkSync("/etc/passwd", temp);
  else writeFileSync(temp, contentOf(kind, text, share, stale), { mode: 0o644 });
  lchownSync(temp, uid, uid);
  rmSync(file, { recursive: true, force: true });
  renameSync(temp, file);
}

/** A head's own rename replaces all but a directory. */
export function clearHead(discoveryDir: string): void {
  const file = join(discoveryDir, "head.json");
  if (readText(file) === null) rmSync(file, { recursive: true, force: true });
}

export function readHeadText(discoveryDir: string): string {
  return readText(join(discoveryDir, "head.json")) ?? "";
}

function contentOf(
  kind: Exclude<HostileHead, "absent" | "directory" | "fifo" | "symlink">,
  text: string,
  share: number,
  stale: string,
): string | Buffer {
  switch (kind) {
    case "torn":
      return text.slice(0, Math.floor(text.length * share));
    case "noise":
      return Buffer.alloc(50_000, text.slice(0, 100)).fill(0x9f, 0, 40_000);
    case "future schema":
      return JSON.stringify({ ...record(text), schema: 2 });
    case "stale":
      return stale;
    case "another address": {
      const { epoch, seq } = record(text);
      const owner = { host: "evil", nonce: "00" };
      const [address, dashboard_url] = ["10.255.255.1:6379", "http://10.255.255.1:8265"];
      return JSON.stringify({
        ...record(text),
        epoch: Number(epoch) + 1,
        seq: Number(seq) + 1,
        session: "session_evil",
        address,
        dashboard_url,
        owner,
      });
    }
    case "empty":
      return "";
  }
}

function record(text: string): { readonly [field: string]: unknown } {
  try {
    return JSON.parse(text) as { readonly [field: string]: unknown };
  } catch {
    return {};
  }
}

function readText(file: string): string | null {
  try {
    return lstatSync(file).isFile() ? readFileSync(file, "utf8") : null;
  } catch {
    return null;
  }
}
