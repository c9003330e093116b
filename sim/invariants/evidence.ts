import type { Attempt } from "../../src/domain/types.ts";
import type { World } from "../world/model.ts";
import type { Invariant } from "./invariant.ts";

/** Whatever Ray answered or did not: a step in an attempt's life has its proof in the world (protocol.md rules 3, 6). */
export const evidence: Invariant = {
  id: "I9",
  text: "no transport error, 5xx, garbage, 404 or untrue status moves an attempt: each move has its evidence on storage, or in what Ray accepted",
  onTask: (world, { before, after, newEvents }) => {
    const byNodes = new Set(newEvents.filter((event) => event.data["evidence"] === "nodes").map((event) => event.attempt));
    for (const [index, attempt] of after.attempts.entries()) {
      const old = before?.attempts[index];
      if (old?.state === attempt.state) continue;
      const broken = byNodes.has(attempt.attempt) ? lingers(world, attempt) : lacks(world, attempt);
      if (broken !== null) return `${attempt.submissionId} becomes ${attempt.state}: ${broken}`;
    }
    return null;
  },
};

/** What the nodes call gone must be gone: by the truth, and not only past its fence. */
function lingers(world: World, { submissionId }: Attempt): string | null {
  world.trace.saw("the nodes' word ended an attempt");
  const launcher = world.launchers.find((each) => each.submissionId === submissionId && each.claimedAt !== null);
  if (launcher === undefined) return "it never started";
  if (launcher.alive || launcher.treeAlive) return `the nodes call it gone, and it lives on ${launcher.machine.name}`;
  const part = [...world.ray.allocations].find((each) => each.launcher?.submissionId === submissionId);
  return part === undefined ? null : `the nodes call it gone, and a part of it lives on ${part.machine.name}`;
}

/** Nothing of its tree, by the truth. */
function isGone(world: World, { submissionId }: Attempt): boolean {
  return !world.launchers.some((each) => each.submissionId === submissionId && (each.alive || each.treeAlive));
}

function lacks(world: World, attempt: Attempt): string | null {
  const files = world.directories.get(attempt.submissionId)?.files;
  const claim = files?.claim ?? null;
  const hasResult = claim?.by === "launcher" && files?.result?.nonce === claim.nonce;
  switch (attempt.state) {
    case "SUBMITTING":
      return files === undefined ? "its directory was not made before" : null;
    case "SUBMITTED":
      return world.ray.accepted.has(attempt.submissionId) ? null : "Ray never accepted it";
    case "RUNNING":
      return claim?.by === "launcher" && claim.nonce === attempt.claimNonce ? null : "no launcher has its claim";
    case "SUCCEEDED":
      return hasResult && files?.result?.exitCode === 0 ? null : "no result says exit 0";
    case "FAILED":
      return hasResult ? null : "it has no result";
    case "NEVER_STARTED":
      return claim?.by === "server" ? null : "the server does not hold its claim";
    case "LOST": {
      if (claim?.by !== "launcher") return "it never started";
      const isContained = claim.containment === "pidns" || claim.containment === "userns";
      return hasResult || isContained || attempt.declaredDead !== null || (claim.agentIncarnation !== null && isGone(world, attempt))
        ? null
        : "only a node's word or an operator could tell that what is not contained is dead";
    }
    case "CANCELED":
      return claim === null ? "nobody holds its claim" : null;
  }
}
