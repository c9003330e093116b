/** `control/stacks`: the server asks for the stacks of an attempt's processes; and `debug/stacks-…`, in which each node's agent answers. Synchronous. */
import { lstatSync, readdirSync } from "node:fs";
import { isNodeName } from "../domain/node-record.ts";
import { jobParts } from "./attempt-directory.ts";
import { ownerOf } from "./attempt-evidence.ts";
import { parseRecord } from "./control-files.ts";
import { writeDurably } from "./durable-file.ts";
import { withDirectory, withMadeDirectory } from "./open-directory.ts";
import { readSmallIn } from "./regular-file.ts";

const REQUEST = "stacks";
const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

export type StackRequest = {
  readonly userId: string;
  readonly at: string;
  /** This node has answered it. */
  readonly isDone: boolean;
};

/** A later request takes the place of an earlier one. */
export function askStacks(root: string, userId: string, submissionId: string, at: string, tag: string): void {
  withDirectory(root, [...jobParts(userId, submissionId), "control"], (control) => {
    writeDurably(control.at(REQUEST), `${JSON.stringify({ schema: 1, at })}\n`, tag);
  });
}

/** Null = nothing is asked for. `userId`: whose the attempt is, when that is known. */
export function readStackRequest(root: string, submissionId: string, userId: string | null, node: string): StackRequest | null {
  const owner = ownerOf(root, submissionId, userId);
  if (owner === null) return null;
  const bytes = withDirectory(root, [...jobParts(owner, submissionId), "control"], (control) =>
    // Listing first makes a network file system forget that it cached "not found".
    readdirSync(control.at(".")).includes(REQUEST) ? readSmallIn(control, REQUEST) : null,
  );
  const { schema, at } = (bytes === null ? null : parseRecord(bytes)) ?? {};
  if (schema !== 1 || typeof at !== "string" || !INSTANT.test(at)) return null;
  return {
    userId: owner,
    at,
    isDone: inDebug(root, owner, submissionId, (debug) => lstatSync(debug(fileName(at, node)), { throwIfNoEntry: false }) !== undefined),
  };
}

/** Whole or not at all; a link that the job put there is not followed. */
export function keepStacks(root: string, userId: string, submissionId: string, node: string, at: string, text: string, tag: string): void {
  inDebug(root, userId, submissionId, (debug) => writeDurably(debug(fileName(at, node)), text, tag));
}

function inDebug<T>(root: string, userId: string, submissionId: string, use: (at: (name: string) => string) => T): T {
  return withMadeDirectory(root, [...jobParts(userId, submissionId), "debug"], 0o700, 1, (debug) => use(debug.at));
}

/** `stacks-20260801T120000Z-w1.txt` */
function fileName(at: string, node: string): string {
  if (!isNodeName(node) || !INSTANT.test(at)) throw new Error(`${JSON.stringify([at, node])} makes no file name`);
  return `stacks-${at.replaceAll(/[-:]|\.\d+/g, "")}-${node}.txt`;
}
