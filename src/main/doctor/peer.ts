/** `internal doctor-peer`: one of two processes that try the shared storage against each other. One JSON question a line, one JSON answer a line. */
import { access, constants, link, mkdir, open, readdir, readFile, realpath, rename, stat, statfs, unlink } from "node:fs/promises";
import { dirname } from "node:path";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { clock } from "../clock.ts";

export type Question =
  | { readonly op: "root"; readonly path: string }
  | { readonly op: "paths"; readonly paths: readonly string[] }
  | { readonly op: "mkdir"; readonly path: string }
  | { readonly op: "link"; readonly target: string; readonly temp: string }
  | { readonly op: "exclusive"; readonly target: string }
  | { readonly op: "rename"; readonly target: string; readonly text: string }
  | { readonly op: "in_place"; readonly target: string; readonly text: string }
  | { readonly op: "see"; readonly target: string; readonly text: string; readonly deadlineMs: number }
  | { readonly op: "sync"; readonly target: string; readonly rounds: number }
  | { readonly op: "fresh"; readonly target: string }
  | { readonly op: "file"; readonly path: string };

export type RootAnswer = { readonly real: string | null; readonly fileSystem: number | null };
export type PathAnswer = { readonly path: string; readonly uid: number; readonly mode: number; readonly isWritable: boolean };
export type FileAnswer = { readonly text: string; readonly uid: number; readonly mode: number; readonly mtimeMs: number } | null;

const NEVER = new AbortController().signal;
const POLL_MS = 5;

export async function answerQuestions(input: Readable, output: Writable): Promise<void> {
  for await (const line of createInterface({ input })) {
    const answer = await answerTo(JSON.parse(line) as Question).then(
      (value) => ({ value }),
      (error: unknown) => ({ error: error instanceof Error ? error.message : String(error) }),
    );
    output.write(`${JSON.stringify(answer)}\n`);
  }
}

async function answerTo(question: Question): Promise<unknown> {
  switch (question.op) {
    case "root":
      return rootAt(question.path);
    case "paths":
      return (await Promise.all(question.paths.map(pathAt))).flat();
    case "mkdir":
      await mkdir(question.path, { recursive: true, mode: 0o700 });
      return null;
    case "link":
      return linkWins(question.target, question.temp);
    case "exclusive":
      return exclusiveWins(question.target);
    case "rename":
      await writeSynced(`${question.target}.temp`, "w", question.text);
      await rename(`${question.target}.temp`, question.target);
      return null;
    case "in_place":
      await writeSynced(question.target, "r+", question.text);
      return null;
    case "see":
      return seenAfter(question.target, question.text, question.deadlineMs);
    case "sync":
      return syncTimes(question.target, question.rounds);
    case "fresh":
      return freshness(question.target);
    case "file":
      return fileAt(question.path);
  }
}

async function rootAt(path: string): Promise<RootAnswer> {
  const real = await realpath(path).catch(() => null);
  const isDirectory = real !== null && (await stat(real)).isDirectory();
  return isDirectory ? { real, fileSystem: (await statfs(real)).type } : { real: null, fileSystem: null };
}

async function pathAt(path: string): Promise<readonly PathAnswer[]> {
  const stats = await stat(path).catch(() => null);
  if (stats === null) return [];
  const isWritable = await access(path, constants.W_OK).then(
    () => true,
    () => false,
  );
  return [{ path, uid: stats.uid, mode: stats.mode, isWritable }];
}

/** As a claim is made: won when the private file has a second name afterwards, whatever `link` said. */
async function linkWins(target: string, temp: string): Promise<boolean> {
  await writeSynced(temp, "w", temp);
  await link(temp, target).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  });
  const { nlink } = await stat(temp);
  await unlink(temp);
  return nlink === 2;
}

async function exclusiveWins(target: string): Promise<boolean> {
  try {
    await (await open(target, "wx", 0o600)).close();
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

async function writeSynced(path: string, flags: string, text: string): Promise<void> {
  const file = await open(path, flags, 0o600);
  try {
    await file.write(text, 0);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** ms until the file reads `text`; null = not within the deadline. The directory is listed first, which revalidates a cached "not found". */
async function seenAfter(target: string, text: string, deadlineMs: number): Promise<number | null> {
  const start = clock.monotonicMs();
  while (clock.monotonicMs() - start <= deadlineMs) {
    await readdir(dirname(target));
    if ((await readFile(target, "utf8").catch(() => null)) === text) return clock.monotonicMs() - start;
    await clock.sleep(POLL_MS, NEVER);
  }
  return null;
}

async function syncTimes(target: string, rounds: number): Promise<readonly number[]> {
  const file = await open(target, "w", 0o600);
  try {
    const times: number[] = [];
    for (let round = 0; round < rounds; round += 1) {
      const start = clock.monotonicMs();
      await file.write(Buffer.alloc(4096, round), 0, 4096, round * 4096);
      await file.sync();
      times.push(clock.monotonicMs() - start);
    }
    return times;
  } finally {
    await file.close();
  }
}

/** How far this machine's clock is ahead of the one that gives files their times. */
async function freshness(target: string): Promise<{ readonly mtimeMs: number; readonly offsetMs: number }> {
  const before = clock.now();
  await writeSynced(target, "w", "fresh");
  const after = clock.now();
  const { mtimeMs } = await stat(target);
  const within = Math.min(Math.max(mtimeMs, before), after);
  return { mtimeMs, offsetMs: within - mtimeMs };
}

async function fileAt(path: string): Promise<FileAnswer> {
  await readdir(dirname(path)).catch(() => undefined);
  const stats = await stat(path).catch(() => null);
  if (stats === null || !stats.isFile() || stats.size > 1_000_000) return null;
  return { text: await readFile(path, "utf8"), uid: stats.uid, mode: stats.mode, mtimeMs: stats.mtimeMs };
}
