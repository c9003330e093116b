/**
 * Removes what a job left, through directories held open: no link is followed, and a tree of any depth comes to an end. In shares, so that one call
 * keeps its deadline.
 */
import { chmodSync, lstatSync, readdirSync, renameSync, rmdirSync, unlinkSync } from "node:fs";
import { syncDirectory } from "./durable-file.ts";
import { type OpenDirectory, within } from "./open-directory.ts";
import { errorCode } from "./trouble.ts";

/** What has been given up has a name that begins so: nothing looks for it there but this. */
const GIVEN_UP = ".removed-";
/** A thousand removals take about 0.1 s on a local disk and 2 s on a slow network file system. */
const SHARE = 2_000;
/** Each level holds a directory open. What lies deeper is brought up first. */
const MAX_DEPTH = 32;

type Work = { left: number; readonly top: OpenDirectory };

/** Takes `name` out of its place, at once and for good; nothing where it is absent, or was taken before. */
export function giveUp(parent: OpenDirectory, name: string): void {
  const names = new Set(readdirSync(parent.at(".")));
  if (!names.has(name)) return;
  renameSync(parent.at(name), parent.at(freeName(names, `${GIVEN_UP}${name}`)));
  syncDirectory(parent.at("."));
}

/** Removes a share of all that was given up in this directory; true once nothing of it is left. */
export function clearGivenUp(parent: OpenDirectory): boolean {
  const work = { left: SHARE, top: parent };
  for (const name of readdirSync(parent.at("."))) {
    if (!name.startsWith(GIVEN_UP)) continue;
    if (!remove(parent, name, 1, work)) return false;
  }
  // What lay too deep has been brought up here.
  return !readdirSync(parent.at(".")).some((name) => name.startsWith(GIVEN_UP));
}

/** False when the share was used up before it was gone. */
function remove(parent: OpenDirectory, name: string, depth: number, work: Work): boolean {
  if (work.left <= 0) return false;
  work.left -= 1;
  const stats = lstatSync(parent.at(name), { throwIfNoEntry: false });
  if (stats === undefined) return true;
  if (!stats.isDirectory()) return unlinked(parent, name);
  if (depth > MAX_DEPTH) {
    renameSync(parent.at(name), work.top.at(freeName(new Set(readdirSync(work.top.at("."))), `${GIVEN_UP}deep`)));
    return true;
  }
  const isEmpty = within(parent, name, (directory) => {
    // A job may have taken its own right to write.
    if ((stats.mode & 0o700) !== 0o700) chmodSync(directory.at("."), 0o700);
    return readdirSync(directory.at(".")).every((child) => remove(directory, child, depth + 1, work));
  });
  if (isEmpty) rmdirSync(parent.at(name));
  return isEmpty;
}

function unlinked(parent: OpenDirectory, name: string): boolean {
  try {
    unlinkSync(parent.at(name));
  } catch (error) {
    if (errorCode(error) !== "ENOENT") throw error;
  }
  return true;
}

function freeName(names: ReadonlySet<string>, wanted: string): string {
  for (let n = 0; ; n += 1) {
    const name = n === 0 ? wanted : `${wanted}-${n}`;
    if (!names.has(name)) return name;
  }
}
