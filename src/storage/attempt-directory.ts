/** The server's side of one attempt's directory (docs/protocol.md): prepare, look, revoke, stop. Synchronous; `root` is where /private is here. */
import { closeSync, constants, fstatSync, fsyncSync, openSync, readdirSync, writeSync } from "node:fs";
import type { PreparedAttempt } from "../control/ports.ts";
import type { AttemptFiles, Claim, StopWhy } from "../domain/types.ts";
import { formatServerClaim, formatStop, parseClaim, parseLease, parseResult, parseStop } from "./control-files.ts";
import { linkOnce, writeDurably } from "./durable-file.ts";
import { type OpenDirectory, withDirectory, within, withMadeDirectory } from "./open-directory.ts";
import { CANONICAL_ROOT, jobDirectory } from "./roots.ts";
import { readSmallIn } from "./regular-file.ts";

/** The directories from the root down to the job's. */
export function jobParts(userId: string, submissionId: string): readonly string[] {
  return jobDirectory(userId, submissionId).split("/").slice(CANONICAL_ROOT.split("/").length);
}

function inControl<T>(root: string, userId: string, submissionId: string, use: (control: OpenDirectory) => T): T {
  return withDirectory(root, [...jobParts(userId, submissionId), "control"], use);
}

/** Idempotent until the claim exists; from then on the launcher may be reading, so nothing is touched. attempt.json comes last. */
export function prepareAttempt(root: string, attempt: PreparedAttempt, tag: string): void {
  const job = jobParts(attempt.userId, attempt.submissionId);
  const made = <T>(name: string, use: (directory: OpenDirectory) => T): T => withMadeDirectory(root, [...job, name], 0o700, 2, use);
  for (const name of ["logs", "checkpoints", "debug"]) made(name, () => undefined);
  made("control", (control) =>
    made("config", (config) => {
      if (readdirSync(control.at(".")).includes("claim")) return;
      writeDurably(config.at("spec.yaml"), attempt.specText, tag);
      writeDurably(config.at("argv.json"), json(attempt.argv), tag);
      writeDurably(config.at("env.json"), json(attempt.env), tag);
      writeDurably(config.at("profile.json"), attempt.profileText, tag);
      writeDurably(control.at("attempt.json"), json(attempt.attemptJson), tag);
    }),
  );
}

/** Throws when the directory is not there: a mount that is away must not look like an attempt that never began. */
export function lookAtAttempt(root: string, userId: string, submissionId: string): AttemptFiles {
  return withDirectory(root, jobParts(userId, submissionId), (job) => {
    // The result is read first, so that a result without its claim can't be seen.
    const resultBytes = readSmallIn(job, "result.json");
    return within(job, "control", (control) => {
      const names = readdirSync(control.at("."));
      const claim = names.includes("claim") ? readClaim(control) : null;
      const stopBytes = names.includes("stop") ? readSmallIn(control, "stop") : null;
      const leaseBytes = claim !== null && names.includes("lease") ? readSmallIn(control, "lease") : null;
      return {
        claim,
        lease: claim === null || leaseBytes === null ? null : parseLease(leaseBytes, claim.nonce),
        stop: stopBytes === null ? null : parseStop(stopBytes),
        result: claim === null || resultBytes === null ? null : parseResult(resultBytes, claim.nonce),
      };
    });
  });
}

export type ServerClaim = Pick<Claim, "nonce" | "host" | "at"> & { readonly why: NonNullable<Claim["why"]> };

/** Won also when an earlier call, or an earlier server, has the claim already. */
export function revokeAttempt(
  root: string,
  userId: string,
  submissionId: string,
  claim: ServerClaim,
): { readonly kind: "won" | "lost"; readonly claim: Claim } {
  return inControl(root, userId, submissionId, (control) => {
    if (!readdirSync(control.at(".")).includes("claim")) linkOnce(control.at("claim"), formatServerClaim(claim, process.pid), claim.nonce);
    const winner = readClaim(control);
    return { kind: winner.by === "server" ? "won" : "lost", claim: winner };
  });
}

/** The first reason stays. */
export function stopAttempt(root: string, userId: string, submissionId: string, why: StopWhy, at: string, tag: string): void {
  inControl(root, userId, submissionId, (control) => {
    if (!readdirSync(control.at(".")).includes("stop")) linkOnce(control.at("stop"), formatStop(why, at), tag);
  });
}

/** Writes and fsyncs a file of this host on the storage that job directories are on. The root is the mount point: it must be there. */
export function probeStorage(root: string, host: string): void {
  withMadeDirectory(root, ["users"], 0o700, 0, (users) => {
    const { O_CREAT, O_NOFOLLOW, O_NONBLOCK, O_WRONLY } = constants;
    const path = users.at(`.probe-${host.replaceAll(/[^A-Za-z0-9.-]/g, "_")}`);
    const fd = openSync(path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0o600);
    try {
      const stats = fstatSync(fd);
      if (!stats.isFile() || stats.nlink > 1) throw new Error(`${users.path}/.probe-… is no file of its own; remove it`);
      writeSync(fd, Buffer.from(`${process.pid}\n`), 0, null, 0);
      fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
  });
}

function readClaim(control: OpenDirectory): Claim {
  const bytes = readSmallIn(control, "claim");
  const claim = bytes === null ? null : parseClaim(bytes);
  // Made by link from an fsynced file, so never half there: damage, or a newer verlpool. Neither may be taken for "not claimed".
  if (claim === null) throw new Error(`${control.path}/claim can't be read as a claim of schema 1`);
  return claim;
}

function json(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
