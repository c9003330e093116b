/** All invariants, and where they are asked. A new operation brings its invariant as one file and one line here. */
import type { TaskChange } from "../../src/control/ports.ts";
import type { StopWhy } from "../../src/domain/types.ts";
import type { Server, World } from "../world/model.ts";
import { attemptIdentity } from "./attempt-identity.ts";
import { cancelHonoured } from "./cancel-honoured.ts";
import { comesToRest } from "./comes-to-rest.ts";
import { durableSubmission } from "./durable-submission.ts";
import { evidence } from "./evidence.ts";
import { exclusiveRuns } from "./exclusive-runs.ts";
import { goesOn } from "./goes-on.ts";
import type { Invariant } from "./invariant.ts";
import { monotoneHistory } from "./monotone-history.ts";
import { noShortage } from "./no-shortage.ts";
import { oneOpenAttempt } from "./one-open-attempt.ts";
import { outcomeByResult } from "./outcome-by-result.ts";
import { owner } from "./owner.ts";
import { queueOrder } from "./queue-order.ts";
import { retryPace } from "./retry-pace.ts";
import { runningLimit } from "./running-limit.ts";
import { singleExecution } from "./single-execution.ts";
import { staleLeader } from "./stale-leader.ts";
import { terminalFinal } from "./terminal-final.ts";
import { timeLimits } from "./time-limits.ts";
import { violate } from "./violate.ts";

export const INVARIANTS: readonly Invariant[] = [
  singleExecution,
  durableSubmission,
  attemptIdentity,
  terminalFinal,
  cancelHonoured,
  outcomeByResult,
  runningLimit,
  staleLeader,
  evidence,
  owner,
  monotoneHistory,
  retryPace,
  oneOpenAttempt,
  exclusiveRuns,
  queueOrder,
  timeLimits,
  noShortage,
  goesOn,
  comesToRest,
];

type Hook = Exclude<keyof Invariant, "id" | "text">;

const BY_HOOK = new Map<Hook, readonly Invariant[]>(
  (["onTask", "onWrite", "onStep", "onPost", "onStop", "onChange", "onRead", "atRest"] as const).map((hook) => [
    hook,
    INVARIANTS.filter((invariant) => invariant[hook] !== undefined),
  ]),
);

function ask(world: World, hook: Hook, put: (invariant: Invariant) => string | null | undefined): void {
  if (world.violation !== null) return;
  for (const invariant of BY_HOOK.get(hook) ?? []) {
    const broken = put(invariant);
    if (typeof broken === "string") violate(world, invariant.id, invariant.text, broken);
  }
}

export function afterWrite(world: World, server: Server | null): void {
  const { deltas, gone } = world.database.changes();
  for (const delta of deltas) {
    const { before, after } = delta;
    if (before?.task.state !== after.task.state) world.trace.saw(`edge ${before?.task.state ?? "new"} > ${after.task.state}`);
    world.trace.note(
      world.timeline.now(),
      "task",
      () =>
        `${after.task.name} ${before?.task.state ?? "new"} > ${after.task.state} v${after.task.version} a${after.task.attempts} by ${server?.name ?? "-"} ${delta.newEvents.map((event) => `${event.type}:${event.reason?.code ?? ""}`).join(" ")} ${after.task.waiting?.code ?? ""}`,
    );
    ask(world, "onTask", (invariant) => invariant.onTask?.(world, delta));
  }
  ask(world, "onWrite", (invariant) => invariant.onWrite?.(world, gone));
}

export function afterChange(
  world: World,
  server: Server,
  change: TaskChange,
  outcome: { readonly kind: string },
  epochBefore: number,
): void {
  if (outcome.kind === "stale") world.trace.saw("a write was stale");
  ask(world, "onChange", (invariant) => invariant.onChange?.(world, server, change, outcome.kind === "applied", epochBefore));
}

export function afterRead(world: World, server: Server, method: string, args: readonly unknown[], value: unknown): void {
  ask(world, "onRead", (invariant) => invariant.onRead?.(world, server, method, args, value));
}

export function onPost(world: World, submissionId: string, entrypoint: string): void {
  ask(world, "onPost", (invariant) => invariant.onPost?.(world, submissionId, entrypoint));
}

export function onStop(world: World, submissionId: string, why: StopWhy): void {
  ask(world, "onStop", (invariant) => invariant.onStop?.(world, submissionId, why));
}

export function afterStep(world: World): void {
  ask(world, "onStep", (invariant) => invariant.onStep?.(world));
}

export function atRest(world: World): void {
  ask(world, "atRest", (invariant) => invariant.atRest?.(world));
}
