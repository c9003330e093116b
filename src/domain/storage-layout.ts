/** Where things lie on the shared storage (product.md §7). Canonical names start with /private; one module maps them, both ways. */
import { isTaskId, parseSubmissionId, userIdProblem } from "./ids.ts";
import { commonPathProblem } from "./verl/path-rules.ts";

export const CANONICAL_ROOT = "/private";
export const COMMON_DIR = "/private/common";
export const HF_HOME_DIR = "/private/common/hf";

/** Everything a shell would pass on as one word unchanged; also no blanks, no control characters, no non-ASCII. */
const SHELL_WORD = /^[A-Za-z0-9_./@%+=:,-]+$/;
const HASH12 = /^[0-9a-f]{12}$/;

/** Whether `path` is a canonical path below /private/common, in normal form; compared part by part. */
export function isUnderCommon(path: string): boolean {
  return commonPathProblem(path) === null;
}

/** Canonical path → the path at which a process sees it whose shared root is `root`. Throws for a path that is not canonical. */
export function toRoot(canonical: string, root: string): string {
  if (canonical === CANONICAL_ROOT) return root;
  if (!canonical.startsWith(`${CANONICAL_ROOT}/`)) throw new Error(`${canonical} is not a path under ${CANONICAL_ROOT}`);
  return `${root === "/" ? "" : root}${canonical.slice(CANONICAL_ROOT.length)}`;
}

/** The other way; null when `path` does not lie under `root`. */
export function fromRoot(path: string, root: string): string | null {
  if (path === root) return CANONICAL_ROOT;
  const prefix = root === "/" ? "/" : `${root}/`;
  return path.startsWith(prefix) ? `${CANONICAL_ROOT}/${path.slice(prefix.length)}` : null;
}

/** Canonical directory of an attempt. Throws for ids that are none, so that no path is ever built from unchecked words. */
export function jobDir(userId: string, submissionId: string): string {
  if (userIdProblem(userId) !== null) throw new Error(`${JSON.stringify(userId)} is not a user id`);
  const parsed = parseSubmissionId(submissionId);
  if (parsed === null || !isTaskId(parsed.taskId)) throw new Error(`${JSON.stringify(submissionId)} is not a submission id`);
  return `${CANONICAL_ROOT}/users/${userId}/jobs/${submissionId}`;
}

/** Canonical paths of everything in an attempt's directory (interfaces.md, "Job directory"). */
export function jobPaths(userId: string, submissionId: string) {
  const dir = jobDir(userId, submissionId);
  return {
    dir,
    spec: `${dir}/config/spec.yaml`,
    argv: `${dir}/config/argv.json`,
    env: `${dir}/config/env.json`,
    profile: `${dir}/config/profile.json`,
    attempt: `${dir}/control/attempt.json`,
    claim: `${dir}/control/claim`,
    lease: `${dir}/control/lease`,
    stop: `${dir}/control/stop`,
    driverLog: `${dir}/logs/driver.log`,
    metrics: `${dir}/logs/metrics.jsonl`,
    launcherLog: `${dir}/logs/launcher.log`,
    checkpoints: `${dir}/checkpoints`,
    debug: `${dir}/debug`,
    result: `${dir}/result.json`,
  } as const;
}

/** Canonical path of the launcher; `hash12` = the first 12 hex digits of the SHA-256 of its content. */
export function launcherPath(hash12: string): string {
  if (!HASH12.test(hash12)) throw new Error(`${JSON.stringify(hash12)} is not 12 hex digits`);
  return `${COMMON_DIR}/verlpool/launcher/${hash12}/launch.py`;
}

/**
 * The Ray entrypoint: a shell command that is constant but for two checked words, so no value of a user ever reaches a shell.
 * Throws when `workerRoot` or `python` (configuration) would not be one plain shell word.
 */
export function entrypoint(workerRoot: string, hash12: string, userId: string, submissionId: string, python = "python3"): string {
  if (!workerRoot.startsWith("/") || !SHELL_WORD.test(workerRoot)) {
    throw new Error(`pool.worker_root ${JSON.stringify(workerRoot)} must be an absolute path of letters, digits and _./@%+=:,-`);
  }
  if (python.startsWith("-") || !SHELL_WORD.test(python)) {
    throw new Error(`pool.python ${JSON.stringify(python)} must be one word of letters, digits and _./@%+=:,-`);
  }
  const launcher = toRoot(launcherPath(hash12), workerRoot);
  return `exec ${python} -I -S ${launcher} ${toRoot(jobDir(userId, submissionId), workerRoot)}`;
}
