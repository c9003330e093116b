/** head.json of discovery (docs/interfaces.md), read with distrust: /private is writable for every job, and whoever writes it gets our submissions. */
import { createHmac, timingSafeEqual } from "node:crypto";
import type { HeadBeat, HeadOwner, HeadReading, HeadRecord, OwnerProcess } from "../domain/head-record.ts";
import { laterSchema, parseRecord } from "./control-files.ts";
import { readOpen, withRegularFile, MAX_JSON_BYTES } from "./regular-file.ts";
import { errorCode } from "./trouble.ts";

export type HeadTrust = {
  /** The uid of this process; root is believed too. */
  readonly uid: number;
  /** When set, a record must carry the HMAC-SHA-256 of its sorted JSON. */
  readonly key: string | null;
};

type Fields = { readonly [key: string]: unknown };

export function discoveryDir(root: string, cluster: string): string {
  if (!/^[a-z0-9][a-z0-9.-]{0,62}$/.test(cluster)) throw new Error(`${JSON.stringify(cluster)} is no cluster name`);
  return `${root}/ray/discovery/${cluster}`;
}

export function discoveryFile(root: string, cluster: string, name: "head.json" | "api.json"): string {
  return `${discoveryDir(root, cluster)}/${name}`;
}

/** Never throws for what the file holds or is; throws for trouble of the storage. */
export function readHeadFile(path: string, trust: HeadTrust): HeadReading {
  try {
    const reading = withRegularFile(path, (fd, stats): HeadReading => {
      if (stats.uid !== trust.uid && stats.uid !== 0) return unreadable(`it belongs to uid ${stats.uid}, not to ${trust.uid} or root`);
      if ((stats.mode & 0o022) !== 0) return unreadable("it is writable for its group or for others; chmod go-w");
      if (stats.size > MAX_JSON_BYTES) return unreadable("it is larger than 64 KiB");
      return parseHead(readOpen(fd, path, MAX_JSON_BYTES), trust.key);
    });
    return reading ?? { kind: "absent" };
  } catch (error) {
    const code = errorCode(error);
    if (code === "ENOENT" || code === "ENOTDIR") return { kind: "absent" };
    // A link (ELOOP), a socket (ENXIO), or withRegularFile's own refusal, which has no code.
    if (code === null || code === "ELOOP" || code === "ENXIO") return unreadable(error instanceof Error ? error.message : String(error));
    throw error;
  }
}

export function parseHead(bytes: Uint8Array, key: string | null): HeadReading {
  const record = parseRecord(bytes);
  if (record === null) {
    const later = laterSchema(bytes);
    return unreadable(
      later === null ? "it is not a JSON object of schema 1" : `it has schema ${later}, of a later verlpool: bring this one up to it`,
    );
  }
  if (key !== null && !hasMac(record, key)) return unreadable("its mac does not match discovery.key_file");
  const beat = beatOf(record);
  if (beat === null) return unreadable("cluster, epoch, seq or owner is missing or no such thing");
  // Agents from before `state` know nothing of a head that only starts; they never wrote one either.
  if (record["state"] === "starting") return { kind: "starting", beat };
  const { session, address, dashboard_url, ray_version, python_version } = record;
  if (!isWord(session)) return unreadable("session is missing or no name");
  if (!isWord(address) || !/^[A-Za-z0-9[][A-Za-z0-9.:[\]-]*:\d{1,5}$/.test(address)) return unreadable("address is no host:port");
  if (!isWord(dashboard_url) || !/^https?:\/\/[A-Za-z0-9[][A-Za-z0-9.:[\]-]*\/?$/.test(dashboard_url))
    return unreadable("dashboard_url is no plain http address");
  const head: HeadRecord = {
    ...beat,
    session,
    address,
    dashboardUrl: dashboard_url,
    rayVersion: isWord(ray_version) ? ray_version : null,
    pythonVersion: isWord(python_version) ? python_version : null,
  };
  return { kind: "ok", head };
}

/** As `parseHead` reads it; `times` are for people. */
export function formatHead(
  record: HeadBeat | HeadRecord,
  times: { readonly publishedAt: string; readonly expiresAt: string },
  key: string | null,
): string {
  const { cluster, epoch, seq, released, owner } = record;
  const running =
    "session" in record
      ? {
          state: "up",
          session: record.session,
          address: record.address,
          dashboard_url: record.dashboardUrl,
          ray_version: record.rayVersion,
          python_version: record.pythonVersion,
        }
      : { state: "starting", session: "", address: "", dashboard_url: "", ray_version: null, python_version: null };
  const fields = {
    schema: 1,
    cluster,
    epoch,
    seq,
    ...running,
    released,
    owner: ownerFields(owner),
    published_at: times.publishedAt,
    expires_at: times.expiresAt,
    mac: null,
  };
  return `${JSON.stringify({ ...fields, mac: key === null ? null : headMac(fields, key) })}\n`;
}

/** HMAC-SHA-256 in hex over the record without `mac`, keys sorted at every level, no blanks. */
export function headMac(record: object, key: string): string {
  return createHmac("sha256", key)
    .update(JSON.stringify(sorted({ ...record, mac: undefined })))
    .digest("hex");
}

function beatOf(record: Fields): HeadBeat | null {
  const { cluster, epoch, seq, released } = record;
  const owner = ownerOf(record["owner"]);
  if (!isWord(cluster) || !isCount(epoch) || !isCount(seq) || owner === null) return null;
  return { cluster, epoch, seq, released: released === true, owner };
}

function ownerOf(value: unknown): HeadOwner | null {
  const { host, nonce, ...process } = (typeof value === "object" && value !== null ? value : {}) as Fields;
  return isWord(host) && isWord(nonce) ? { host, nonce, process: processOf(process) } : null;
}

function processOf({ pid, start_ticks, boot_id, pid_namespace }: Fields): OwnerProcess | null {
  if (!isCount(pid) || !isCount(start_ticks) || !isWord(boot_id) || !isWord(pid_namespace)) return null;
  return { pid, startTicks: start_ticks, bootId: boot_id, pidNamespace: pid_namespace };
}

function ownerFields({ host, nonce, process }: HeadOwner): Fields {
  if (process === null) return { host, nonce };
  const { pid, startTicks, bootId, pidNamespace } = process;
  return { host, nonce, pid, start_ticks: startTicks, boot_id: bootId, pid_namespace: pidNamespace };
}

/** Printable ASCII that can go into a log line and a command line as it is. */
function isWord(value: unknown): value is string {
  return typeof value === "string" && /^[!-~]{1,255}$/.test(value);
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

function hasMac(record: Fields, key: string): boolean {
  const { mac } = record;
  const expected = Buffer.from(headMac(record, key));
  return (
    typeof mac === "string" &&
    mac.length === expected.length &&
    timingSafeEqual(Buffer.from(mac.padEnd(expected.length)).subarray(0, expected.length), expected)
  );
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([left], [right]) => (left < right ? -1 : 1))
      .map(([name, member]) => [name, sorted(member)]),
  );
}

function unreadable(why: string): HeadReading {
  return { kind: "unreadable", why };
}
