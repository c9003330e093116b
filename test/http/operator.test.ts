import { afterEach, beforeEach, expect, test } from "vitest";
import { ADMIN_TOKEN, httpWorld, type HttpWorld } from "../support/http-world.ts";
import { formatSubmissionId } from "../../src/domain/ids.ts";
import { bringTo } from "../support/task-in-state.ts";

let world: HttpWorld;
let alice: string;
beforeEach(async () => {
  world = await httpWorld();
  alice = await world.user("alice");
});
afterEach(() => world.close());

const post = (path: string, body?: unknown) => world.call("POST", `/api/v2${path}`, ADMIN_TOKEN, body);
const actions = async (): Promise<readonly string[]> =>
  (await world.call("GET", "/api/v2/audit", ADMIN_TOKEN))
    .json()
    .audit.map(({ action, target }: { action: string; target: string }) => `${action} ${target}`);

test("the admin pauses the queue with a reason that everybody sees, and resumes it; each is audited once", async () => {
  const paused = (await post("/queue:pause", { reason: "new drivers" })).json();
  expect(paused).toEqual({ paused: { at: expect.any(String), by: "admin", reason: "new drivers" } });
  expect((await post("/queue:pause", { reason: "later" })).json()).toEqual(paused);
  expect((await world.call("GET", "/api/v2/queue", alice)).json()).toMatchObject(paused);
  expect((await post("/queue:resume")).json()).toEqual({ paused: null });
  expect((await post("/queue:resume")).json()).toEqual({ paused: null });
  expect((await world.call("GET", "/api/v2/queue", alice)).json().paused).toBeNull();
  expect((await actions()).filter((one) => one.startsWith("queue"))).toEqual(["queue.resume queue", "queue.pause queue"]);
});

test("a reason is one line of text", async () => {
  for (const reason of ["", "a\nb", "\u001b[2J", "x".repeat(501), 7])
    expect((await post("/queue:pause", { reason })).json(), String(reason).slice(0, 9)).toMatchObject({
      status: 400,
      code: "bad_parameter",
    });
  expect((await post("/queue:pause", {})).json().paused.reason).toBeNull();
});

test("the admin declares a silent attempt dead, once; who, when and why stand in the events and the audit trail", async () => {
  const taskId = await world.submit(alice);
  await bringTo(world, taskId, "silent");
  const submissionId = formatSubmissionId(taskId, 1);
  const path = `/attempts/${submissionId}:declare-dead`;
  expect((await post(path, {})).json()).toMatchObject({ status: 400, code: "bad_parameter" });
  expect((await post(path, { reason: "w3 is off" })).json()).toMatchObject({ submission_id: submissionId, state: "RUNNING" });
  expect((await post(path, { reason: "again" })).status).toBe(200);
  const events = (await world.call("GET", `/api/v2/tasks/${taskId}/events`, alice)).json().events;
  expect(events.filter(({ type }: { type: string }) => type === "declared_dead")).toMatchObject([
    { actor: "admin", attempt: 1, reason: { text: "w3 is off" } },
  ]);
  expect((await actions()).filter((one) => one.startsWith("attempt"))).toEqual([`attempt.declare_dead ${submissionId}`]);
  expect((await post(`/attempts/${taskId}--a02:declare-dead`, { reason: "w3" })).json()).toMatchObject({ status: 404, code: "not_found" });
});
