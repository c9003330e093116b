/** A whole task and a whole attempt as the scheduler sees them; each test says only what it is about. */
import type { Attempt, Task } from "../../src/domain/types.ts";
import { newTask, NOW } from "./task-samples.ts";

const TASK_ID = "mvp2-alice-sft-20260101-000000-0000abcd";

/** QUEUED, one node with one GPU. */
export function sampleTask(over: Partial<Task> = {}): Task {
  return {
    ...newTask(over.taskId ?? TASK_ID, { workload: "sft", needs: { nodes: 1, gpusPerNode: 1, cpusPerNode: 1 } }),
    state: "QUEUED",
    version: 1,
    attempts: 0,
    held: false,
    nextRunAt: null,
    passedSince: null,
    cancelRequestedAt: null,
    cancelActor: null,
    requeue: null,
    kept: false,
    filesGoneAt: null,
    waiting: null,
    failure: null,
    progress: null,
    startedAt: null,
    endedAt: null,
    seq: 1,
    ...over,
  };
}

/** Attempt 1, SUBMITTED to session_1. */
export function sampleAttempt(over: Partial<Attempt> = {}): Attempt {
  return {
    taskId: TASK_ID,
    userId: "alice",
    attempt: 1,
    submissionId: `${TASK_ID}--a01`,
    state: "SUBMITTED",
    quarantined: false,
    stalled: false,
    node: null,
    raySession: "session_1",
    claimNonce: null,
    declaredDead: null,
    placement: [{ node: "n1", gpus: 1, cpus: 1 }],
    exitCode: null,
    signal: null,
    failure: null,
    resumedFrom: null,
    useMarks: null,
    createdAt: NOW,
    submittedAt: NOW,
    startedAt: null,
    endedAt: null,
    ...over,
  };
}
