/** What stands under /private/common. Links are followed, and must end under it or in a place that the operator allowed. Synchronous. */
import { readdirSync, realpathSync, statSync, type Stats } from "node:fs";
import type { PathCheck } from "../control/ports.ts";
import { readOpen, withRegularFile } from "./regular-file.ts";
import { canonicalToShared, isUnder } from "./roots.ts";
import { errorCode } from "./trouble.ts";

export type CommonRoot = { readonly root: string; readonly allowedSymlinkTargets: readonly string[] };

const HF_ID = /^[A-Za-z0-9][\w.-]{0,95}\/[A-Za-z0-9][\w.-]{0,95}$/;
const VERSION_BYTES = 256;

export function checkCommonPath(common: CommonRoot, path: string, expect: "file" | "directory"): PathCheck {
  const real = absentIsNull(() => realpathSync(canonicalToShared({ sharedRoot: common.root, workerRoot: common.root }, path)));
  if (real === null) return { kind: "missing" };
  if (!isAllowed(common, real)) return { kind: "outside", target: real };
  const found = kindOf(statSync(real));
  return found === expect ? { kind: "ok" } : { kind: "wrong_type", found };
}

/** The trimmed text of verl/version/version under a code tree; null when it is not there or is no version file. */
export function readVerlVersion(common: CommonRoot, codePath: string): string | null {
  const path = canonicalToShared({ sharedRoot: common.root, workerRoot: common.root }, `${codePath}/verl/version/version`);
  const real = absentIsNull(() => realpathSync(path));
  if (real === null || !isAllowed(common, real) || !statSync(real).isFile()) return null;
  const text = withRegularFile(real, (fd, stats) => (stats.size > VERSION_BYTES ? null : readOpen(fd, real, VERSION_BYTES).toString()));
  return text?.trim() || null;
}

/**
 * Whether a snapshot with a config.json of Hugging Face repo `id` lies in the offline cache, `<HF_HOME>/hub/models--org--name/snapshots/*`
 * (huggingface_hub's layout), or directly under HF_HOME as older caches have it.
 */
export function hasCachedModel(common: CommonRoot, id: string): boolean {
  if (!HF_ID.test(id)) return false;
  const folder = `models--${id.replace("/", "--")}/snapshots`;
  return ["hf/hub", "hf"].some((cache) => {
    const snapshots = `${common.root}/common/${cache}/${folder}`;
    const names = absentIsNull(() => readdirSync(snapshots)) ?? [];
    return names.some((name) => {
      const real = absentIsNull(() => realpathSync(`${snapshots}/${name}/config.json`));
      return real !== null && isAllowed(common, real) && statSync(real).isFile();
    });
  });
}

function isAllowed(common: CommonRoot, real: string): boolean {
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
function absentIsNull<T>(look: () => T): T | null {
  try {
    return look();
  } catch (error) {
    if (["ENOENT", "ENOTDIR", "ELOOP"].includes(errorCode(error) ?? "")) return null;
    throw error;
  }
}
