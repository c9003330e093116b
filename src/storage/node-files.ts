/** `nodes/` of discovery on the server's side: every record there is, read with distrust, and the wishes that agents obey. */
import { readdirSync, statfsSync, unlinkSync } from "node:fs";
import type { NodeFiles, NodeReadings } from "../control/node-ports.ts";
import { isNodeName, type NodeRecord, type NodeWant, nodeWantFrom, nodeWantJson } from "../domain/node-record.ts";
import { syncDirectory, writeDurably } from "./durable-file.ts";
import { inNodes, NODE_FILE_BYTES, nodesParts, parseNodeFile } from "./node-file.ts";
import { type OpenDirectory, withDirectory } from "./open-directory.ts";
import { readAt, readSmallIn, withRegularFile } from "./regular-file.ts";
import type { CallStorage } from "./storage-client.ts";
import { errorCode } from "./trouble.ts";

/** More files than any pool has nodes: what lies there then is not ours. */
const MAX_FILES = 20_000;

export function nodeFiles(call: CallStorage, cluster: string, uid: number, tag: () => string): NodeFiles {
  return {
    read: () => call("readNodes", { cluster, uid }),
    want: async (node, want) => void (await call("writeWant", { cluster, node, want, tag: tag() })),
    forget: async (node) => void (await call("forgetNode", { cluster, node })),
    freeBytes: () => call("freeBytes", {}),
  };
}

/** Never throws for what a file holds or is; throws for trouble of the storage. No directory = no agent has ever reported. */
export function readNodeFiles(root: string, cluster: string, uid: number): NodeReadings {
  try {
    return withDirectory(root, nodesParts(cluster), (nodes) => {
      const names = readdirSync(nodes.at(".")).slice(0, MAX_FILES);
      const named = (suffix: string): readonly string[] =>
        names
          .filter((name) => name.endsWith(suffix) && isNodeName(name.slice(0, -suffix.length)))
          .map((name) => name.slice(0, -suffix.length));
      return {
        names: named(".json"),
        records: named(".json").flatMap((node) => readRecord(nodes, node, uid) ?? []),
        wants: named(".want").map((node) => ({ node, want: readWish(nodes, node) })),
      };
    });
  } catch (error) {
    if (errorCode(error) === "ENOENT") return { names: [], records: [], wants: [] };
    throw error;
  }
}

function readRecord(nodes: OpenDirectory, node: string, uid: number): NodeRecord | null {
  const path = nodes.at(`${node}.json`);
  const record = orNull(() =>
    withRegularFile(path, (fd, stats) => {
      const isOurs = (stats.uid === uid || stats.uid === 0) && (stats.mode & 0o022) === 0;
      return isOurs && stats.size === NODE_FILE_BYTES ? parseNodeFile(readAt(fd, 0, NODE_FILE_BYTES)) : null;
    }),
  );
  return record?.node === node ? record : null;
}

function readWish(nodes: OpenDirectory, node: string): NodeWant | null {
  const bytes = orNull(() => readSmallIn(nodes, `${node}.want`));
  try {
    return bytes === null ? null : nodeWantFrom(JSON.parse(bytes.toString("utf8")));
  } catch {
    return null;
  }
}

/** A link (ELOOP), a socket (ENXIO), or our own refusal, which has no code, is no file of ours. */
function orNull<T>(read: () => T): T | null {
  try {
    return read();
  } catch (error) {
    const code = errorCode(error);
    if (code === null || code === "ELOOP" || code === "ENXIO") return null;
    throw error;
  }
}

/** Whole or not there, as agents read it at any time. */
export function writeWantFile(root: string, cluster: string, node: string, want: NodeWant, tag: string): void {
  if (!isNodeName(node)) throw new Error(`${JSON.stringify(node)} is no node name`);
  inNodes(root, cluster, (nodes) => writeDurably(nodes.at(`${node}.want`), `${nodeWantJson(want)}\n`, tag));
}

export function forgetNodeFiles(root: string, cluster: string, node: string): void {
  if (!isNodeName(node)) throw new Error(`${JSON.stringify(node)} is no node name`);
  inNodes(root, cluster, (nodes) => {
    for (const suffix of [".json", ".want"]) {
      try {
        unlinkSync(nodes.at(`${node}${suffix}`));
      } catch (error) {
        if (errorCode(error) !== "ENOENT") throw error;
      }
    }
    syncDirectory(nodes.at("."));
  });
}

/** What this uid may still write, as `df` shows it. */
export function freeBytesOf(root: string): number {
  const { bavail, bsize } = statfsSync(root);
  return bavail * bsize;
}
