/** What must have happened at least once in a large run: else the simulation tests less than it says (reliability.md, M2). */
import { TRANSITIONS } from "../src/domain/task-state.ts";
import { FAULTS } from "./faults.ts";

const FAILPOINTS = ["before_claim_commit", "after_claim_commit", "during_post", "after_post_before_record", "after_status_before_commit"];

/** Edges of the table that the scheduler never takes: a start is recorded as RUNNING before its end is. */
const NOT_TAKEN: readonly string[] = ["SUBMITTING > SUCCEEDED", "SUBMITTED > SUCCEEDED"];
/** A late result while its task waits for capacity: met about once in 2000 worlds, so not to be asked of each run. */
const RARE: readonly string[] = ["PENDING_RESOURCES > SUCCEEDED"];

const SITUATIONS = [
  "a POST arrived late",
  "ray: duplicate POST",
  "ray: a stopped PENDING job ran",
  "a launcher found the claim or a stop",
  "a launcher lost the claim",
  "the server won a claim",
  "the server lost a claim",
  "a launcher fenced itself",
  "a thawed launcher fenced itself",
  "an orphan outlives its raylet",
  "the nodes' word ended an attempt",
  "an agent fenced its node",
  "an agent swept a leftover",
  "an agent killed what it found",
  "verl found too few GPUs",
  "verl hangs on a lost part",
  "a write was stale",
  "a frozen leader lost its lock",
];

export const REQUIRED: readonly string[] = [
  ...Object.keys(FAULTS).map((kind) => `fault ${kind}`),
  ...FAILPOINTS.flatMap((name) => [`failpoint ${name}`, `killed at ${name}`]),
  ...Object.entries(TRANSITIONS)
    .flatMap(([from, targets]) => targets.map((to) => `${from} > ${to}`))
    .filter((edge) => ![...NOT_TAKEN, ...RARE].includes(edge))
    .map((edge) => `edge ${edge}`),
  ...SITUATIONS,
];

export function neverSeen(seen: Readonly<Record<string, number>>): readonly string[] {
  return REQUIRED.filter((what) => (seen[what] ?? 0) === 0);
}
