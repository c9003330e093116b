/** Files that prepare puts on shared storage: the platform's Python modules (content-addressed) and the demo profiles (versioned). */
import { existsSync } from "node:fs";
import { chmod, mkdir, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { readText, removeLeftovers, sha256, writeDurably } from "./steps.ts";

export type TextFile = { readonly name: string; readonly text: string };

/** The directory name of a set of modules: 12 hex digits of their names and texts. A changed module is another directory, so running jobs keep theirs. */
export function modulesHash(modules: readonly TextFile[]): string {
  const parts = modules.toSorted((a, b) => (a.name < b.name ? -1 : 1)).flatMap((module) => [module.name, module.text]);
  return sha256(...parts).slice(0, 12);
}

/** Makes `<parent>/<hash12>` with the modules, read-only; whole or not at all. */
export async function installModules(parent: string, modules: readonly TextFile[]): Promise<string> {
  const target = join(parent, modulesHash(modules));
  if (existsSync(target)) return target;
  await mkdir(parent, { recursive: true });
  await removeLeftovers(target);
  const fresh = `${target}.making-${process.pid}`;
  await mkdir(fresh);
  for (const module of modules) await writeFile(join(fresh, module.name), module.text, { mode: 0o444 });
  try {
    await rename(fresh, target);
  } catch (error) {
    await rm(fresh, { recursive: true, force: true });
    // Another process was first with the same content.
    if (!existsSync(target)) throw error;
  }
  return target;
}

/**
 * Writes profiles that are missing or were written by an earlier prepare and not touched since (`.prepared` beside them records what was written).
 * A profile that somebody edited stays: gives the names of those.
 */
export async function publishProfiles(directory: string, profiles: readonly TextFile[]): Promise<readonly string[]> {
  const recordFile = join(directory, ".prepared.json");
  const record = parseRecord(await readText(recordFile));
  const kept: string[] = [];
  for (const profile of profiles) {
    const path = join(directory, profile.name);
    const found = await readText(path);
    const isOurs = found === null || found === profile.text || record[profile.name] === sha256(found);
    if (!isOurs) {
      kept.push(profile.name);
      continue;
    }
    // The record first: a run killed between the two writes must not take its own file for an edited one.
    record[profile.name] = sha256(profile.text);
    if (found === profile.text) continue;
    await writeDurably(recordFile, `${JSON.stringify(record)}\n`, 0o644);
    await writeDurably(path, profile.text, 0o644);
  }
  await writeDurably(recordFile, `${JSON.stringify(record)}\n`, 0o644);
  return kept;
}

function parseRecord(text: string | null): { [name: string]: string } {
  if (text === null) return {};
  try {
    return JSON.parse(text) as { [name: string]: string };
  } catch {
    // Not ours to judge what stands there: treat every differing profile as edited.
    return {};
  }
}

/** Directories of the contract (product.md §7), with modes that don't depend on the umask. The database holds users' hashes: owner only. */
export async function makeDirectories(root: string): Promise<void> {
  for (const name of ["", "hf", "datasets", "models", "code", "logs", "verlpool"]) await makeDirectory(join(root, "common", name), 0o755);
  await makeDirectory(join(root, "common", "db"), 0o700);
}

async function makeDirectory(path: string, mode: number): Promise<void> {
  if (existsSync(path)) return;
  await mkdir(dirname(path), { recursive: true });
  await mkdir(path);
  await chmod(path, mode);
}
