/** The server's side of one attempt's directory (docs/protocol.md): prepare, look, revoke, stop. Synchronous; `root` is where /private is here. */
import { closeSync, constants, fsyncSync, lstatSync, openSync, readdirSync, writeSync } from "node:fs";
import type { PreparedAttempt } from "../control/ports.ts";
import type { AttemptFiles, Claim, StopWhy } from "../domain/types.ts";
import { formatServerClaim, formatStop, parseClaim, parseLease, parseResult, parseStop } from "./control-files.ts";
import { linkOnce, makeDirectories, writeDurably } from "./durable-file.ts";
import { canonicalToShared, jobDirectory } from "./roots.ts";
import { readSmall } from "./regular-file.ts";

/** Where a job directory is for this process. */
export function attemptDirectory(root: string, userId: string, submissionId: string): string {
  return canonicalToShared({ sharedRoot: root, workerRoot: root }, jobDirectory(userId, submissionId));
}

/** Idempotent until the claim exists; from then on the launcher may be reading, so nothing is touched. attempt.json comes last. */
export function prepareAttempt(root: string, attempt: PreparedAttempt, tag: string): void {
  const directory = attemptDirectory(root, attempt.userId, attempt.submissionId);
  for (const name of ["config", "control", "logs", "checkpoints", "debug"]) makeDirectories(root, `${directory}/${name}`);
  if (readdirSync(`${directory}/control`).includes("claim")) return;
  writeDurably(`${directory}/config/spec.yaml`, attempt.specText, tag);
  writeDurably(`${directory}/config/argv.json`, json(attempt.argv), tag);
  writeDurably(`${directory}/config/env.json`, json(attempt.env), tag);
  writeDurably(`${directory}/config/profile.json`, attempt.profileText, tag);
  writeDurably(`${directory}/control/attempt.json`, json(attempt.attemptJson), tag);
}

/** Throws when the directory is not there: a mount that is away must not look like an attempt that never began. */
export function lookAtAttempt(root: string, userId: string, submissionId: string): AttemptFiles {
  const directory = attemptDirectory(root, userId, submissionId);
  // The result is read first, so that a result without its claim can't be seen.
  const resultBytes = readSmall(`${directory}/result.json`);
  const names = readdirSync(`${directory}/control`);
  const claim = names.includes("claim") ? readClaim(directory) : null;
  const stopBytes = names.includes("stop") ? readSmall(`${directory}/control/stop`) : null;
  const leaseBytes = claim !== null && names.includes("lease") ? readSmall(`${directory}/control/lease`) : null;
  return {
    claim,
    lease: claim === null || leaseBytes === null ? null : parseLease(leaseBytes, claim.nonce),
    stop: stopBytes === null ? null : parseStop(stopBytes),
    result: claim === null || resultBytes === null ? null : parseResult(resultBytes, claim.nonce),
  };
}

export type ServerClaim = Pick<Claim, "nonce" | "host" | "at"> & { readonly why: NonNullable<Claim["why"]> };

/** Won also when an earlier call, or an earlier server, has the claim already. */
export function revokeAttempt(
  root: string,
  userId: string,
  submissionId: string,
  claim: ServerClaim,
): { readonly kind: "won" | "lost"; readonly claim: Claim } {
  const directory = attemptDirectory(root, userId, submissionId);
  if (!readdirSync(`${directory}/control`).includes("claim"))
    linkOnce(`${directory}/control/claim`, formatServerClaim(claim, process.pid), claim.nonce);
  const winner = readClaim(directory);
  return { kind: winner.by === "server" ? "won" : "lost", claim: winner };
}

/** The first reason stays. */
export function stopAttempt(root: string, userId: string, submissionId: string, why: StopWhy, at: string, tag: string): void {
  const control = `${attemptDirectory(root, userId, submissionId)}/control`;
  if (!readdirSync(control).includes("stop")) linkOnce(`${control}/stop`, formatStop(why, at), tag);
}

/** Writes and fsyncs a file of this host on the storage that job directories are on. */
export function probeStorage(root: string, host: string): void {
  // The root is the mount point: it must be there, and is never made.
  lstatSync(root);
  makeDirectories(root, `${root}/users`);
  const { O_CREAT, O_NOFOLLOW, O_WRONLY } = constants;
  const fd = openSync(`${root}/users/.probe-${host.replaceAll(/[^A-Za-z0-9.-]/g, "_")}`, O_WRONLY | O_CREAT | O_NOFOLLOW, 0o600);
  try {
    writeSync(fd, Buffer.from(`${process.pid}\n`), 0, null, 0);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function readClaim(directory: string): Claim {
  const bytes = readSmall(`${directory}/control/claim`);
  const claim = bytes === null ? null : parseClaim(bytes);
  // Made by link from an fsynced file, so never half there: damage, or a newer verlpool. Neither may be taken for "not claimed".
  if (claim === null) throw new Error(`${directory}/control/claim can't be read as a claim of schema 1`);
  return claim;
}

function json(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
