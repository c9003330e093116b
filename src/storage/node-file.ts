/**
 * `nodes/` of discovery (docs/interfaces.md): one file a node, written in place by its agent, so that a network file system never hides a new beat
 * behind a cached name. A torn write has a bad crc: not read, and the reader keeps the last good one.
 */
import { closeSync, constants, fchmodSync, fstatSync, fsyncSync, openSync, writeSync } from "node:fs";
import { crc32 } from "node:zlib";
import { isNodeName, type NodeRecord, nodeRecordFrom, nodeRecordJson, type NodeWant, nodeWantFrom } from "../domain/node-record.ts";
import { type OpenDirectory, withDirectory, withMadeDirectory } from "./open-directory.ts";
import { readAt, readSmallIn } from "./regular-file.ts";
import { errorCode } from "./trouble.ts";

export const NODE_FILE_BYTES = 32 * 1024;
/** 8 hex digits and the line's end. */
const CRC_BYTES = 9;

export function nodesParts(cluster: string): readonly string[] {
  if (!isNodeName(cluster)) throw new Error(`${JSON.stringify(cluster)} is no cluster name`);
  return ["ray", "discovery", cluster, "nodes"];
}

/** The 32 KiB of a record. Throws when it does not fit. */
export function formatNodeFile(record: NodeRecord): Buffer {
  const json = Buffer.from(nodeRecordJson(record));
  const room = NODE_FILE_BYTES - CRC_BYTES;
  if (json.length > room) throw new Error(`the record of node ${record.node} has ${json.length} bytes, more than ${room}`);
  const bytes = Buffer.alloc(NODE_FILE_BYTES, " ");
  json.copy(bytes);
  bytes.write(`${crc32(bytes.subarray(0, room)).toString(16).padStart(8, "0")}\n`, room, "latin1");
  return bytes;
}

/** Null when it is torn, or no record of schema 1. */
export function parseNodeFile(bytes: Uint8Array): NodeRecord | null {
  if (bytes.length !== NODE_FILE_BYTES) return null;
  const room = NODE_FILE_BYTES - CRC_BYTES;
  const crc = Buffer.from(bytes.subarray(room)).toString("latin1");
  if (crc !== `${crc32(bytes.subarray(0, room)).toString(16).padStart(8, "0")}\n`) return null;
  try {
    return nodeRecordFrom(JSON.parse(Buffer.from(bytes.subarray(0, room)).toString("utf8")));
  } catch {
    return null;
  }
}

export type Beat = {
  /** What stood there before this beat; null = nothing that can be read. */
  readonly previous: NodeRecord | null;
  /** The file's new time as the storage has it, epoch ms. */
  readonly storageTimeMs: number;
};

/** One `pwrite` of the whole record and an fsync. The file is made when it is absent. */
export function beatNode(root: string, cluster: string, record: NodeRecord): Beat {
  const bytes = formatNodeFile(record);
  return inNodes(root, cluster, (nodes) => {
    const name = nodeFileName(record.node);
    const fd = openSync(nodes.at(name), constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW | constants.O_NONBLOCK, 0o644);
    try {
      if (!fstatSync(fd).isFile()) throw new Error(`${nodes.path}/${name} is not a regular file; move it away`);
      const previous = parseNodeFile(readAt(fd, 0, NODE_FILE_BYTES));
      fchmodSync(fd, 0o644);
      const written = writeSync(fd, bytes, 0, bytes.length, 0);
      if (written !== bytes.length) throw new Error(`${nodes.path}/${name}: only ${written} bytes could be written; the disk may be full`);
      fsyncSync(fd);
      return { previous, storageTimeMs: fstatSync(fd).mtimeMs };
    } finally {
      closeSync(fd);
    }
  });
}

export type WantReading =
  | { readonly kind: "ok"; readonly want: NodeWant }
  | { readonly kind: "absent" }
  /** There, but not to be believed: keep the last good one. */
  | { readonly kind: "unreadable" };

export function readWant(root: string, cluster: string, node: string): WantReading {
  if (!isNodeName(node)) throw new Error(`${JSON.stringify(node)} is no node name`);
  try {
    return withDirectory(root, nodesParts(cluster), (nodes): WantReading => {
      const bytes = readSmallIn(nodes, `${node}.want`);
      if (bytes === null) return { kind: "absent" };
      const want = nodeWantFrom(parsed(bytes));
      return want === null ? { kind: "unreadable" } : { kind: "ok", want };
    });
  } catch (error) {
    if (errorCode(error) === "ENOENT") return { kind: "absent" };
    // A link (ELOOP), a socket (ENXIO), or our own refusal, which has no code.
    if (errorCode(error) === null || errorCode(error) === "ELOOP" || errorCode(error) === "ENXIO") return { kind: "unreadable" };
    throw error;
  }
}

/** The directory is made 0755 when it is absent. */
export function inNodes<T>(root: string, cluster: string, use: (nodes: OpenDirectory) => T): T {
  return withMadeDirectory(root, nodesParts(cluster), 0o755, 0, use);
}

function nodeFileName(node: string): string {
  if (!isNodeName(node)) throw new Error(`${JSON.stringify(node)} is no node name`);
  return `${node}.json`;
}

function parsed(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString("utf8"));
  } catch {
    return null;
  }
}
