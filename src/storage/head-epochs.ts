/** Becoming head and staying it, as files: `epochs/<10 digits>` made by link, head.json by temp and rename (docs/interfaces.md, Discovery). */
import { mkdirSync, readdirSync, renameSync } from "node:fs";
import type { HeadBeat, HeadOwner, HeadReading, HeadRecord } from "../domain/head-record.ts";
import type { EpochClaim } from "../domain/head-watch.ts";
import { parseRecord } from "./control-files.ts";
import { linkOnce, writeDurably } from "./durable-file.ts";
import { discoveryDir, formatHead, type HeadTrust, readHeadFile } from "./head-file.ts";
import { readSmall } from "./regular-file.ts";
import { errorCode } from "./trouble.ts";

export type HeadLookFiles = { readonly reading: HeadReading; readonly highest: EpochClaim | null };

/** head.json and the highest epoch anybody took. */
export function lookAtHead(root: string, cluster: string, trust: HeadTrust): HeadLookFiles {
  const dir = discoveryDir(root, cluster);
  return { reading: readHeadFile(`${dir}/head.json`, trust), highest: highestClaim(dir) };
}

/** Takes epoch `epoch` unless somebody has it; true = we are head. */
export function claimEpoch(root: string, cluster: string, epoch: number, owner: HeadOwner, at: string): boolean {
  const dir = `${discoveryDir(root, cluster)}/epochs`;
  mkdirSync(dir, { recursive: true, mode: 0o755 });
  return linkOnce(`${dir}/${epochName(epoch)}`, claimText(owner, at), owner.nonce);
}

/** Publishes this beat unless a higher epoch was taken; returns the highest epoch either way. */
export function beatHead(
  root: string,
  cluster: string,
  record: HeadBeat | HeadRecord,
  times: { readonly publishedAt: string; readonly expiresAt: string },
  key: string | null,
): number {
  const dir = discoveryDir(root, cluster);
  mkdirSync(dir, { recursive: true, mode: 0o755 });
  const highest = Math.max(record.epoch, highestEpoch(dir));
  if (highest === record.epoch) replace(`${dir}/head.json`, formatHead(record, times, key), record.owner.nonce);
  return highest;
}

/** Says that the Ray of this epoch is dead, for whoever waits to start on the same memory. May be said more than once. */
export function endEpoch(root: string, cluster: string, epoch: number, owner: HeadOwner, at: string): void {
  linkOnce(`${discoveryDir(root, cluster)}/epochs/${epochName(epoch)}.ended`, claimText(owner, at), owner.nonce);
}

export function hasEpochEnded(root: string, cluster: string, epoch: number): boolean {
  return namesIn(`${discoveryDir(root, cluster)}/epochs`).includes(`${epochName(epoch)}.ended`);
}

function claimText({ host, nonce }: HeadOwner, at: string): string {
  return `${JSON.stringify({ schema: 1, host, nonce, at })}\n`;
}

function highestClaim(dir: string): EpochClaim | null {
  const epoch = highestEpoch(dir);
  if (epoch === 0) return null;
  const bytes = readSmall(`${dir}/epochs/${epochName(epoch)}`);
  const nonce = bytes === null ? null : parseRecord(bytes)?.["nonce"];
  return { epoch, nonce: typeof nonce === "string" ? nonce : "" };
}

/** 0 = nobody ever was head. */
function highestEpoch(dir: string): number {
  return namesIn(`${dir}/epochs`)
    .filter((name) => /^\d{10}$/.test(name))
    .reduce((high, name) => Math.max(high, Number(name)), 0);
}

function namesIn(dir: string): readonly string[] {
  try {
    return readdirSync(dir);
  } catch (error) {
    if (errorCode(error) === "ENOENT") return [];
    throw error;
  }
}

function epochName(epoch: number): string {
  return String(epoch).padStart(10, "0");
}

/** A directory in the way (somebody's mistake, or malice) is moved aside: a head that lives must be able to say so. */
function replace(path: string, content: string, tag: string): void {
  try {
    writeDurably(path, content, tag, 0o644);
  } catch (error) {
    if (!["EISDIR", "ENOTEMPTY", "EEXIST"].includes(errorCode(error) ?? "")) throw error;
    renameSync(path, `${path}.moved-aside-${tag}`);
    writeDurably(path, content, tag, 0o644);
  }
}
