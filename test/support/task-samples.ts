/** Small valid values to start a test from; each test says only what it is about. */
import type { NewTask, TaskChange } from "../../src/control/ports.ts";
import type { NewTaskEvent, Task, TaskState, User } from "../../src/domain/types.ts";

export const NOW = 1_800_000_000_000;

export function newTask(taskId: string, overrides: Partial<NewTask> = {}): NewTask {
  return {
    taskId,
    userId: "alice",
    workload: "ppo",
    priority: 0,
    name: null,
    labels: {},
    specText: "workload: ppo\n",
    spec: {
      workload: "ppo",
      codePath: "/private/common/code/verl",
      modelId: "Qwen/Qwen2.5-0.5B-Instruct",
      trainFile: "/private/common/datasets/train.parquet",
      valFile: null,
      nnodes: 2,
      nGpusPerNode: 4,
      totalEpochs: 1,
      totalTrainingSteps: null,
      saveFreq: 10,
      testFreq: -1,
      trainerDevice: null,
    },
    profile: { name: "ppo@1", verlVersion: "0.9.1", exclusive: false },
    needs: { nodes: 2, gpusPerNode: 4, cpusPerNode: 5 },
    deadline: null,
    maxRuntimeMs: null,
    retryOf: null,
    fromScratch: false,
    exportOf: null,
    createdAt: NOW,
    ...overrides,
  };
}

export const CREATED: NewTaskEvent = { attempt: null, actor: "user:alice", type: "created", reason: null, data: {} };

export function moved(code: string): NewTaskEvent {
  return { attempt: null, actor: "system", type: "state_changed", reason: { code, text: code }, data: {} };
}

export function moveTo(task: Task, to: TaskState, overrides: Partial<TaskChange> = {}): TaskChange {
  return { taskId: task.taskId, version: task.version, epoch: null, at: NOW, to, events: [moved("test")], ...overrides };
}

export function newAttempt(task: Task, attempt: number): NonNullable<TaskChange["newAttempt"]> {
  const submissionId = `${task.taskId}--a${String(attempt).padStart(2, "0")}`;
  return { attempt, submissionId, placement: [{ node: "n1", gpus: 4, cpus: 5 }], raySession: "session_1", resumedFrom: null };
}

export function newUser(userId: string): User {
  const limits = { maxQueued: 50, maxRunning: null, maxGpus: null, submitsPerMinute: null, maxStorageGib: null, maxPriority: 0 };
  return { userId, displayName: null, state: "ACTIVE", limits, createdAt: NOW };
}
