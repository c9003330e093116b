/** Who we are to other agents, what this machine remembers of its claims, and what it can prove of another owner. */
import { mkdirSync, readFileSync, readlinkSync, renameSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import type { HeadOwner } from "../domain/head-record.ts";
import { type EpochClaim, isOwnerGone } from "../domain/head-watch.ts";
import { bootId, startTicksOf } from "./process-record.ts";

/** This process as the owner of a head. */
export function thisOwner(nonce: string): HeadOwner {
  const process = {
    pid: globalThis.process.pid,
    startTicks: startTicksOf(globalThis.process.pid) ?? 0,
    bootId: bootId(),
    pidNamespace: pidNamespace(),
  };
  return { host: hostname(), nonce, process };
}

/** Whether this machine proves that the owner is gone. `own`: its own claims, from a disk that is no other machine's. */
export function isProvenGone(owner: HeadOwner, own: readonly EpochClaim[]): boolean {
  return isOwnerGone(owner, {
    bootId: bootId(),
    pidNamespace: pidNamespace(),
    isAlive: (pid, startTicks) => startTicksOf(pid) === startTicks,
    own,
  });
}

const KEPT = 64;

/** The claims that were made from this state directory, oldest first; none when there is no file, or none that can be read. */
export function readClaims(stateDir: string): readonly EpochClaim[] {
  try {
    const { claims } = JSON.parse(readFileSync(claimsFile(stateDir), "utf8")) as { readonly claims?: unknown };
    return Array.isArray(claims) ? claims.filter(isClaim) : [];
  } catch {
    return [];
  }
}

/**
 * Written before the claim is made, so that a memory on this disk is never taken for somebody else's. A claim may fail, so those of the highest epoch
 * that was taken (`before`) stay: one of them may be it.
 */
export function rememberClaim(stateDir: string, claim: EpochClaim, before: EpochClaim | null): void {
  mkdirSync(stateDir, { recursive: true, mode: 0o700 });
  const file = claimsFile(stateDir);
  const others = readClaims(stateDir).filter(
    ({ epoch, nonce }) => epoch >= (before?.epoch ?? 0) && (epoch !== claim.epoch || nonce !== claim.nonce),
  );
  const claims = [...others, claim].slice(-KEPT);
  writeFileSync(`${file}.tmp`, `${JSON.stringify({ schema: 1, claims })}\n`, { mode: 0o600, flush: true });
  renameSync(`${file}.tmp`, file);
}

function claimsFile(stateDir: string): string {
  return join(stateDir, "head-claims.json");
}

function isClaim(value: unknown): value is EpochClaim {
  return (
    typeof value === "object" &&
    value !== null &&
    "epoch" in value &&
    Number.isSafeInteger(value.epoch) &&
    "nonce" in value &&
    typeof value.nonce === "string"
  );
}

function pidNamespace(): string {
  return readlinkSync("/proc/self/ns/pid");
}
