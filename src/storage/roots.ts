/**
 * The one place that maps paths between three views of the same shared storage: canonical (`/private/…`, in specs, database and API),
 * shared (where this process sees it) and worker (where jobs see it).
 */
import { parseSubmissionId, userIdProblem } from "../domain/ids.ts";

export const CANONICAL_ROOT = "/private";

export type Roots = {
  /** Where this process sees /private. */
  readonly sharedRoot: string;
  /** Where jobs see /private. */
  readonly workerRoot: string;
};

export function canonicalToShared(roots: Roots, path: string): string {
  return moved(path, CANONICAL_ROOT, roots.sharedRoot);
}

export function canonicalToWorker(roots: Roots, path: string): string {
  return moved(path, CANONICAL_ROOT, roots.workerRoot);
}

export function sharedToCanonical(roots: Roots, path: string): string {
  return moved(path, roots.sharedRoot, CANONICAL_ROOT);
}

export function workerToCanonical(roots: Roots, path: string): string {
  return moved(path, roots.workerRoot, CANONICAL_ROOT);
}

/** The canonical directory of an attempt. Throws on ids that could leave `users/`: callers hold checked ids. */
export function jobDirectory(userId: string, submissionId: string): string {
  const problem = userIdProblem(userId);
  if (problem !== null) throw new Error(`user id ${JSON.stringify(userId)} ${problem}`);
  if (parseSubmissionId(submissionId) === null) throw new Error(`${JSON.stringify(submissionId)} is no submission id of verlpool`);
  return `${CANONICAL_ROOT}/users/${userId}/jobs/${submissionId}`;
}

/** Segment-wise: `/private2/a` is not under `/private`. */
export function isUnder(path: string, root: string): boolean {
  const base = withoutSlash(root);
  return path === base || path.startsWith(`${base}/`);
}

function moved(path: string, from: string, to: string): string {
  if (!isUnder(path, from)) throw new Error(`${path} is not under ${from}`);
  return withoutSlash(to) + path.slice(withoutSlash(from).length);
}

function withoutSlash(root: string): string {
  return root.replace(/\/+$/, "");
}
