/** The API as the scripts use it: users with their tokens, submissions, and waiting for a state. */
import { setTimeout as sleep } from "node:timers/promises";
import { type Api, apiClient } from "../../src/cli/client.ts";
import { httpTransport } from "../../src/cli/transport.ts";
import type { TaskWire } from "../../src/contract/resources.ts";
import { isProblem } from "../../src/cli/problem-error.ts";
import { isTerminal } from "../../src/domain/task-state.ts";

const LOOK_MS = 200;

export function clientOf(url: string, token: string): Api {
  return apiClient({ url, urlFrom: "cases", token, tokenFrom: "cases" }, httpTransport(), "cases");
}

/** The user is made where he is missing; each run gives him a token of its own. */
export async function userOf(admin: Api, url: string, userId: string): Promise<Api & { readonly token: string }> {
  try {
    await admin.call("createUser", { json: { user_id: userId } });
  } catch (error) {
    if (!isProblem(error, "user_exists")) throw error;
  }
  const { value } = await admin.call("createToken", { path: { user_id: userId }, json: { name: "cases" } });
  return { ...clientOf(url, value.token), token: value.token };
}

export async function submit(api: Api, spec: string, query: { readonly [name: string]: string } = {}): Promise<string> {
  return (await api.call("createTask", { yaml: Buffer.from(spec), query })).value.task_id;
}

export async function taskOf(api: Api, taskId: string): Promise<TaskWire> {
  return (await api.call("getTask", { path: { task_id: taskId } })).value;
}

/** The task once `isThere`; rejects when it has ended before, and at the deadline, with what it was then. */
export async function until(
  api: Api,
  taskId: string,
  what: string,
  isThere: (task: TaskWire) => boolean,
  deadlineMs: number,
): Promise<TaskWire> {
  const start = performance.now();
  for (;;) {
    const task = await taskOf(api, taskId);
    if (isThere(task)) return task;
    const told = `${task.state}${task.waiting === null ? "" : ` (${task.waiting.text})`}${task.failure === null ? "" : ` (${task.failure.label}: ${task.failure.text})`}`;
    if (isTerminal(task.state)) throw new Error(`${taskId} was to be ${what}, and ended ${told}`);
    if (performance.now() - start > deadlineMs)
      throw new Error(`${taskId} was to be ${what} within ${Math.round(deadlineMs / 1000)} s, and is ${told}`);
    await sleep(LOOK_MS);
  }
}

export function succeeded(api: Api, taskId: string, deadlineMs: number): Promise<TaskWire> {
  return until(api, taskId, "SUCCEEDED", ({ state }) => state === "SUCCEEDED", deadlineMs);
}

/** Polls until `look` gives something. */
export async function eventually<T>(what: string, look: () => Promise<T | null>, deadlineMs: number): Promise<T> {
  const start = performance.now();
  for (;;) {
    const found = await look();
    if (found !== null) return found;
    if (performance.now() - start > deadlineMs) throw new Error(`not within ${Math.round(deadlineMs / 1000)} s: ${what}`);
    await sleep(LOOK_MS);
  }
}

export function expectEqual(what: string, found: unknown, wanted: unknown): void {
  const [a, b] = [JSON.stringify(found), JSON.stringify(wanted)];
  if (a !== b) throw new Error(`${what}: found ${a}, and not ${b}`);
}
