/** The token of a cluster's Ray, for head, workers and server: beside head.json, for our uid alone. */
import { mkdirSync } from "node:fs";
import { linkOnce } from "./durable-file.ts";
import { discoveryDir } from "./head-file.ts";
import { readOpen, withRegularFile } from "./regular-file.ts";

const MAX_BYTES = 1_024;

/** The token that stands there, else null. Throws when the file is not ours alone: then somebody else may know it, or have chosen it. */
export function readRayToken(root: string, cluster: string, uid: number): string | null {
  const path = `${discoveryDir(root, cluster)}/ray-token`;
  return withRegularFile(path, (fd, stats) => {
    if ((stats.uid !== uid && stats.uid !== 0) || (stats.mode & 0o077) !== 0)
      throw new Error(`${path} must belong to uid ${uid} or root, with mode 0600: remove it, and a head makes a new one`);
    return readOpen(fd, path, MAX_BYTES).toString("latin1").trim();
  });
}

/** `token` becomes the cluster's unless it has one; returns what holds now. */
export function ensureRayToken(root: string, cluster: string, uid: number, token: string, tag: string): string {
  const dir = discoveryDir(root, cluster);
  mkdirSync(dir, { recursive: true, mode: 0o755 });
  linkOnce(`${dir}/ray-token`, token, tag);
  return readRayToken(root, cluster, uid) ?? token;
}
