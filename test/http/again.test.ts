/** A task again, over HTTP: `:requeue` while it lives, `:retry` once it has ended. */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ADMIN_TOKEN, httpWorld, type HttpWorld, SPEC } from "../support/http-world.ts";
import { bringTo } from "../support/task-in-state.ts";

let world: HttpWorld;
let alice = "";

beforeEach(async () => {
  world = await httpWorld();
  alice = await world.user("alice");
});
afterEach(() => world.close());

async function ended(query = "", spec = SPEC): Promise<string> {
  const id = await world.submit(alice, spec, query);
  await bringTo(world, id, "SUCCEEDED");
  return id;
}

const retry = (id: string, query = "", token = alice, headers: { [name: string]: string } = {}) =>
  world.call("POST", `/api/v2/tasks/${id}:retry${query}`, token, undefined, headers);

async function show(id: string) {
  return (await world.call("GET", `/api/v2/tasks/${id}`, alice)).json();
}

async function events(id: string): Promise<readonly { actor: string; type: string; reason: { text: string } | null }[]> {
  return (await world.call("GET", `/api/v2/tasks/${id}/events`, alice)).json().events;
}

describe("retry", () => {
  test("makes a new task that asks for the same and names the old one", async () => {
    const old = await ended("?name=night&label=exp=lr&priority=-7&max_runtime_s=3600", `# mine\n${SPEC}`);
    const answer = await retry(old);
    expect(answer.status).toBe(201);
    expect(answer.json()).toMatchObject({ state: "QUEUED", warnings: [{ code: "already_succeeded" }] });
    const id = answer.json().task_id;
    expect(answer.headers["location"]).toBe(`/api/v2/tasks/${id}`);
    const [was, is] = [await show(old), await show(id)];
    expect(is).toMatchObject({
      state: "QUEUED",
      retry_of: old,
      attempts: 0,
      name: "night",
      labels: { exp: "lr" },
      priority: -7,
      max_runtime_s: 3600,
    });
    expect([is.spec, is.profile, is.user_id]).toEqual([was.spec, was.profile, was.user_id]);
    expect((await world.call("GET", `/api/v2/tasks/${id}/spec`, alice)).text).toBe(`# mine\n${SPEC}`);
    expect(was).toMatchObject({ state: "SUCCEEDED", retry_of: null });
    expect((await events(id))[0]).toMatchObject({
      type: "created",
      reason: { text: `a retry of ${old}, from its last complete checkpoint` },
    });
  });

  test("from scratch, and with other limits, says so", async () => {
    const id = (await retry(await ended(), "?from_scratch=true&max_runtime_s=60")).json().task_id;
    expect(await show(id)).toMatchObject({ max_runtime_s: 60 });
    expect((await events(id))[0]?.reason?.text).toContain("from step 0, as was asked");
    expect((await world.store.tasks.get(id))?.fromScratch).toBe(true);
  });

  test("with the same key makes one task; with the key of a submission it is another request", async () => {
    const old = await ended();
    const [first, again] = [
      await retry(old, "", alice, { "idempotency-key": "k" }),
      await retry(old, "", alice, { "idempotency-key": "k" }),
    ];
    expect(again.text).toBe(first.text);
    expect(again.headers["idempotent-replayed"]).toBe("true");
    expect((await retry(old, "?from_scratch=true", alice, { "idempotency-key": "k" })).json().code).toBe("idempotency_key_reused");
    expect((await retry(await ended(), "", alice, { "idempotency-key": "k" })).json().code).toBe("idempotency_key_reused");
  });

  test("by the admin belongs to the user, and is audited", async () => {
    const old = await ended();
    const id = (await retry(old, "", ADMIN_TOKEN)).json().task_id;
    expect((await show(id)).user_id).toBe("alice");
    expect((await events(id))[0]?.actor).toBe("admin");
    const { audit } = (await world.call("GET", "/api/v2/audit?action=task.retry", ADMIN_TOKEN)).json();
    expect(audit).toMatchObject([{ actor: "admin", target: id, user_id: "alice", data: { retry_of: old, from_scratch: false } }]);
  });

  test("of a task that has not ended is refused with its state", async () => {
    const answer = await retry(await world.submit(alice));
    expect(answer.json()).toMatchObject({
      status: 409,
      code: "wrong_state",
      detail: "only an ended task can be retried; this one is QUEUED",
    });
  });

  test("is held against the limits and the world of today, like any submission", async () => {
    const old = await ended("?priority=0");
    await world.call("PUT", "/api/v2/users/alice/limits", ADMIN_TOKEN, { max_priority: -10 });
    expect((await show((await retry(old)).json().task_id)).priority).toBe(-10);
    await world.call("PUT", "/api/v2/users/alice/limits", ADMIN_TOKEN, { max_queued: 1 });
    expect((await retry(old)).json()).toMatchObject({ status: 429, code: "user_limit" });
    await world.call("PUT", "/api/v2/users/alice/limits", ADMIN_TOKEN, { max_queued: null });
    rmSync(join(world.root, "common/datasets/d/train.parquet"));
    expect((await retry(old)).json()).toMatchObject({ status: 422, code: "preflight_failed", errors: [{ field: "train_file" }] });
  });

  test("leaves out a deadline that has passed, with a warning, and takes a new one", async () => {
    const deadline = new Date(world.clock.now() + 60_000).toISOString();
    const old = await ended(`?deadline=${deadline}`);
    expect((await show((await retry(old, "?from_scratch=true")).json().task_id)).deadline).toBe(deadline);
    world.clock.advance(120_000);
    const answer = await retry(old, "?from_scratch=true");
    expect(answer.json().warnings).toMatchObject([{ code: "deadline_passed" }]);
    expect((await show(answer.json().task_id)).deadline).toBeNull();
    const later = new Date(world.clock.now() + 60_000).toISOString();
    expect((await show((await retry(old, `?deadline=${later}`)).json().task_id)).deadline).toBe(later);
    expect((await retry(old, `?deadline=${deadline}`)).json()).toMatchObject({ status: 400, code: "bad_parameter" });
  });
});

describe("requeue", () => {
  const requeue = (id: string, query = "", token = alice) => world.call("POST", `/api/v2/tasks/${id}:requeue${query}`, token);

  test("of a running task is written down, shown and told as an event; the admin's is audited", async () => {
    const id = await world.submit(alice);
    await bringTo(world, id, "RUNNING");
    const requested_at = new Date(world.clock.now()).toISOString();
    expect((await requeue(id)).json()).toMatchObject({ state: "RUNNING", requeue: { requested_at, now: false, hold: false } });
    expect((await requeue(id, "?now=true&hold=true", ADMIN_TOKEN)).json().requeue).toMatchObject({ now: true, hold: true });
    expect((await events(id)).slice(-2).map(({ actor, type, reason }) => [actor, type, reason?.text])).toEqual([
      ["user:alice", "requeue_requested", "it stops after its next complete checkpoint and goes back to the queue"],
      ["admin", "requeue_requested", "it stops at once and goes back to the queue, held"],
    ]);
    const { audit } = (await world.call("GET", "/api/v2/audit?action=task.requeue", ADMIN_TOKEN)).json();
    expect(audit).toMatchObject([{ target: id, data: { now: true, hold: true } }]);
  });

  test("of one that waits is no change, of one that has ended or saves nothing a 409 that says what to do", async () => {
    const waiting = await world.submit(alice);
    expect((await requeue(waiting)).json()).toMatchObject({ state: "QUEUED", requeue: null, held: false });
    expect((await requeue(waiting, "?hold=true")).json()).toMatchObject({ held: true });
    expect((await requeue(await ended())).json()).toMatchObject({
      status: 409,
      detail: expect.stringContaining("verlpool retry") as string,
    });
    const unsaved = await world.submit(alice, `${SPEC}save_freq: -1\n`);
    await bringTo(world, unsaved, "RUNNING");
    expect((await requeue(unsaved)).json()).toMatchObject({ status: 409, detail: expect.stringContaining("save_freq") as string });
    expect((await requeue(unsaved, "?now=true")).status).toBe(200);
    expect((await requeue(unsaved, "?now=maybe")).json()).toMatchObject({ status: 400, code: "bad_parameter" });
  });
});
