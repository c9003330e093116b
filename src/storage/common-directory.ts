/** What stands under /private/common. Links are followed, and must end under it or in a place that the operator allowed. Synchronous. */
import { readdirSync, realpathSync, statSync, type Stats } from "node:fs";
import type { PathCheck } from "../domain/preflight.ts";
import { readOpen, withRegularFile } from "./regular-file.ts";
import { canonicalToShared, isUnder } from "./roots.ts";
import { errorCode } from "./trouble.ts";

export type CommonRoot = { readonly root: string; readonly allowedSymlinkTargets: readonly string[] };

const HF_ID = /^[A-Za-z0-9][\w.-]{0,95}\/[A-Za-z0-9][\w.-]{0,95}$/;
const VERSION_BYTES = 256;

export function checkCommonPath(common: CommonRoot, path: string, expect: "file" | "directory"): PathCheck {
  const real = realPath(common, path);
  if (real === null) return { kind: "missing" };
  if (!isAllowed(common, real)) return { kind: "outside", target: real };
  const found = kindOf(statSync(real));
  return found === expect ? { kind: "ok" } : { kind: "wrong_type", found };
}

function realPath(common: CommonRoot, path: string): string | null {
  return absentIsNull(() => realpathSync(canonicalToShared({ sharedRoot: common.root, workerRoot: common.root }, path)));
}

/** Where a canonical path really leads; null when it is absent or leads to where it may not. */
export function realCommon(common: CommonRoot, path: string): string | null {
  const real = realPath(common, path);
  return real !== null && isAllowed(common, real) ? real : null;
}

/** The trimmed text of verl/version/version under a code tree; null when it is not there or is no version file. */
export function readVerlVersion(common: CommonRoot, codePath: string): string | null {
  const real = realCommon(common, `${codePath}/verl/version/version`);
  if (real === null || !statSync(real).isFile()) return null;
  const text = withRegularFile(real, (fd, stats) => (stats.size > VERSION_BYTES ? null : readOpen(fd, real, VERSION_BYTES).toString()));
  return text?.trim() || null;
}

/**
 * The snapshot with a config.json of Hugging Face repo `id` in the offline cache, `<HF_HOME>/hub/models--org--name/snapshots/*`
 * (huggingface_hub's layout), or directly under HF_HOME as older caches have it; null when there is none.
 */
export function cachedSnapshot(common: CommonRoot, id: string): string | null {
  if (!HF_ID.test(id)) return null;
  const folder = `models--${id.replace("/", "--")}/snapshots`;
  for (const cache of ["hf/hub", "hf"]) {
    const snapshots = `${common.root}/common/${cache}/${folder}`;
    for (const name of absentIsNull(() => readdirSync(snapshots)) ?? []) {
      const real = absentIsNull(() => realpathSync(`${snapshots}/${name}/config.json`));
      if (real !== null && isAllowed(common, real) && statSync(real).isFile()) return `${snapshots}/${name}`;
    }
  }
  return null;
}

export function isAllowed(common: CommonRoot, real: string): boolean {
  return [`${common.root}/common`, ...common.allowedSymlinkTargets].some((root) => {
    const base = absentIsNull(() => realpathSync(root));
    return base !== null && base !== real && isUnder(real, base);
  });
}

function kindOf(stats: Stats): string {
  if (stats.isFile()) return "file";
  if (stats.isDirectory()) return "directory";
  if (stats.isFIFO()) return "fifo";
  return stats.isSocket() ? "socket" : "device";
}

/** A dangling or looping link is as good as absent; any other error is trouble and passes. */
export function absentIsNull<T>(look: () => T): T | null {
  try {
    return look();
  } catch (error) {
    if (["ENOENT", "ENOTDIR", "ELOOP"].includes(errorCode(error) ?? "")) return null;
    throw error;
  }
}
