/** head.json of discovery (docs/interfaces.md), read with distrust: /private is writable for every job, and whoever writes it gets our submissions. */
import { createHmac, timingSafeEqual } from "node:crypto";
import { parseRecord } from "./control-files.ts";
import { readOpen, withRegularFile, MAX_JSON_BYTES } from "./regular-file.ts";
import { errorCode } from "./trouble.ts";

export type HeadRecord = {
  readonly cluster: string;
  readonly epoch: number;
  /** Moves with every beat of the head: freshness is judged by it, on the reader's own clock. */
  readonly seq: number;
  readonly session: string;
  readonly address: string;
  readonly dashboardUrl: string;
  readonly released: boolean;
  readonly rayVersion: string | null;
  readonly pythonVersion: string | null;
  readonly owner: { readonly host: string; readonly nonce: string };
};

export type HeadReading =
  | { readonly kind: "ok"; readonly head: HeadRecord }
  | { readonly kind: "absent" }
  /** There, but not to be believed: keep the last good one. */
  | { readonly kind: "unreadable"; readonly why: string };

export type HeadTrust = {
  /** The uid of this process; root is believed too. */
  readonly uid: number;
  /** When set, a record must carry the HMAC-SHA-256 of its sorted JSON. */
  readonly key: string | null;
};

export function discoveryFile(root: string, cluster: string, name: "head.json" | "api.json"): string {
  if (!/^[a-z0-9][a-z0-9.-]{0,62}$/.test(cluster)) throw new Error(`${JSON.stringify(cluster)} is no cluster name`);
  return `${root}/ray/discovery/${cluster}/${name}`;
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
  if (record === null) return unreadable("it is not a JSON object of schema 1");
  if (key !== null && !hasMac(record, key)) return unreadable("its mac does not match discovery.key_file");
  const { cluster, epoch, seq, session, address, dashboard_url, released, ray_version, python_version, owner } = record;
  const { host, nonce } = (typeof owner === "object" && owner !== null ? owner : {}) as { readonly [key: string]: unknown };
  if (![cluster, session, address, dashboard_url, host, nonce].every((text) => typeof text === "string" && text !== ""))
    return unreadable("cluster, session, address, dashboard_url or owner is missing");
  if (!Number.isSafeInteger(epoch) || !Number.isSafeInteger(seq)) return unreadable("epoch or seq is no number");
  if (!/^https?:\/\/[^\s/@]+\/?$/.test(dashboard_url as string)) return unreadable("dashboard_url is no plain http address");
  const head: HeadRecord = {
    cluster: cluster as string,
    epoch: epoch as number,
    seq: seq as number,
    session: session as string,
    address: address as string,
    dashboardUrl: dashboard_url as string,
    released: released === true,
    rayVersion: typeof ray_version === "string" ? ray_version : null,
    pythonVersion: typeof python_version === "string" ? python_version : null,
    owner: { host: host as string, nonce: nonce as string },
  };
  return { kind: "ok", head };
}

/** HMAC-SHA-256 in hex over the record without `mac`, keys sorted at every level, no blanks. */
export function headMac(record: object, key: string): string {
  return createHmac("sha256", key)
    .update(JSON.stringify(sorted({ ...record, mac: undefined })))
    .digest("hex");
}

function hasMac(record: { readonly [key: string]: unknown }, key: string): boolean {
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
