/**
 * The single executable on shared storage: `common/verlpool/<version>/verlpool`, and `common/verlpool/current` that points to the newest, so that a worker
 * container's command is `/private/common/verlpool/current/verlpool worker`. A published file is never written to again: agents of an older build go on.
 */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { chmod, lstat, mkdir, open, readlink, rename, rm, symlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { readText, removeLeftovers, writeDurably } from "./steps.ts";

export type ExecutablePlan = {
  /** `common/verlpool`, as this machine sees it. */
  readonly directory: string;
  readonly version: string;
  /** 64 hex digits of all that went into the build. */
  readonly build: string;
  /** Writes the executable to this path, which does not exist yet. */
  readonly make: (path: string) => Promise<void>;
  /** Proves that the file runs here; throws with the reason. */
  readonly prove: (path: string) => Promise<void>;
};

export type Published = { readonly path: string; readonly reused: boolean };

type Place = { readonly directory: string; readonly kind: "free" | "ours" | "damaged" };

/** What stands beside the file, for people and for the next prepare. */
type BuildRecord = { readonly build: string; readonly sha256: string };

const PROGRAM = "verlpool";
const RECORD = "build.json";

/**
 * Publishes the build and switches `current` to it, each whole or not at all. A build that is there already is checked by its digest, and made again where
 * it is damaged. The first build of a version gets `<version>`, another one of the same version `<version>+<first 12 of its id>`. Only under the lock of
 * `prepare`.
 */
export async function publishExecutable(plan: ExecutablePlan): Promise<Published> {
  await mkdir(plan.directory, { recursive: true });
  const place = await placeFor(plan);
  if (place.kind !== "ours") await putInto(plan, place);
  await switchCurrent(plan.directory, place.directory);
  return { path: join(place.directory, PROGRAM), reused: place.kind === "ours" };
}

/** Whether this build stands there undamaged and `current` points to it. */
export async function isCurrent(plan: Pick<ExecutablePlan, "directory" | "version" | "build">): Promise<boolean> {
  const place = await placeFor(plan);
  return place.kind === "ours" && (await currentTarget(plan.directory)) === nameOf(plan.directory, place.directory);
}

async function placeFor(plan: Pick<ExecutablePlan, "directory" | "version" | "build">): Promise<Place> {
  const last = join(plan.directory, `${plan.version}+${plan.build.slice(0, 12)}`);
  for (const directory of [join(plan.directory, plan.version), last]) {
    if ((await quietStat(directory)) === null) return { directory, kind: "free" };
    const record = await readRecord(directory);
    if (record?.build !== plan.build) continue;
    return { directory, kind: (await fileDigest(join(directory, PROGRAM))) === record.sha256 ? "ours" : "damaged" };
  }
  throw new Error(`${last} is there and is no build of verlpool: move it away and run prepare again`);
}

async function putInto(plan: ExecutablePlan, place: Place): Promise<void> {
  await removeLeftovers(place.directory);
  const fresh = `${place.directory}.making-${process.pid}`;
  try {
    await mkdir(fresh);
    const program = join(fresh, PROGRAM);
    await plan.make(program);
    await chmod(program, 0o555);
    await plan.prove(program);
    const sha256 = await syncedDigest(program);
    const record = { schema: 1, version: plan.version, build: plan.build, sha256, platform: `${process.platform}-${process.arch}` };
    await writeDurably(join(fresh, RECORD), `${JSON.stringify(record, null, 2)}\n`, 0o644);
    await chmod(fresh, 0o755);
    if (place.kind === "free") {
      await rename(fresh, place.directory);
      return;
    }
    // The record last: killed in between, the file is damaged still, and made again.
    for (const name of [PROGRAM, RECORD]) await rename(join(fresh, name), join(place.directory, name));
  } finally {
    await rm(fresh, { recursive: true, force: true });
  }
}

/** A relative link, since the storage may be mounted elsewhere on other hosts; replaced by a rename, so no reader ever finds none. */
async function switchCurrent(parent: string, directory: string): Promise<void> {
  const name = nameOf(parent, directory);
  if ((await currentTarget(parent)) === name) return;
  const current = join(parent, "current");
  await removeLeftovers(current);
  const fresh = `${current}.making-${process.pid}`;
  await symlink(name, fresh);
  await rename(fresh, current);
}

/** What `current` points to; null when there is none yet. */
async function currentTarget(parent: string): Promise<string | null> {
  const current = join(parent, "current");
  const stats = await quietStat(current);
  if (stats === null) return null;
  if (!stats.isSymbolicLink()) throw new Error(`${current} is no link: move it away and run prepare again`);
  return readlink(current);
}

function nameOf(parent: string, directory: string): string {
  return directory.slice(parent.length + 1);
}

async function readRecord(directory: string): Promise<BuildRecord | null> {
  try {
    const record = JSON.parse((await readText(join(directory, RECORD))) ?? "null") as { readonly [key: string]: unknown } | null;
    // Of a later verlpool, or not ours: another build, which stays as it is.
    if (record === null || record["schema"] !== 1) return null;
    const { build, sha256 } = record;
    return typeof build === "string" && typeof sha256 === "string" ? { build, sha256 } : null;
  } catch (error) {
    if (error instanceof SyntaxError || (error as NodeJS.ErrnoException).code === "ENOTDIR") return null;
    throw error;
  }
}

async function quietStat(path: string) {
  try {
    return await lstat(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}

async function fileDigest(path: string): Promise<string | null> {
  const hash = createHash("sha256");
  try {
    for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 }) as AsyncIterable<Buffer>) hash.update(chunk);
    return hash.digest("hex");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
    throw error;
  }
}

async function syncedDigest(path: string): Promise<string> {
  const file = await open(path, "r");
  try {
    await file.sync();
  } finally {
    await file.close();
  }
  const digest = await fileDigest(path);
  if (digest === null) throw new Error(`${path} is gone while it was made: does another program clean ${dirname(path)}?`);
  return digest;
}
