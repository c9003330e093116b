/**
 * Another user's task is a missing task: for every route that names one, whatever else is in the request, bob gets for alice's id the bytes that he
 * gets for an id of the same length that never was, and the server asks its store the same things to make them.
 */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Route, type RouteId, ROUTES } from "../../src/contract/routes.ts";
import type { TaskState } from "../../src/domain/types.ts";
import { MATRIX } from "../support/authorization-matrix.ts";
import { httpWorld, type HttpWorld, SPEC } from "../support/http-world.ts";
import { bringTo } from "../support/task-in-state.ts";
import { watchStore } from "../support/watched-store.ts";

const onTasks = (Object.entries(ROUTES) as [RouteId, Route][]).filter(([, route]) => route.path.includes("{task_id}"));

type Variant = {
  readonly method?: string;
  readonly query?: string;
  readonly body?: unknown;
  readonly headers?: { readonly [name: string]: string };
};

const JSON_TYPE = { "content-type": "application/json" };

/** What can be said beside the id: right, wrong, and for another route. */
const VARIANTS: { readonly [name: string]: Variant } = {
  "as it is meant": {},
  "a parameter that nobody knows": { query: "?colour=red" },
  "on behalf of its owner": { query: "?user=alice" },
  "a page": { query: "?limit=1" },
  "a page that is too long": { query: "?limit=100000" },
  "a cursor that is none": { query: "?cursor=x" },
  "events after one": { query: "?after=1" },
  "a log to follow": { query: "?follow=true" },
  "a log to follow from a place": { query: "?follow=true&attempt=1&offset=3" },
  "a log to follow after an event": { query: "?follow=true", headers: { "last-event-id": "1:3" } },
  "a log to follow after an event that is none": { query: "?follow=true", headers: { "last-event-id": "x" } },
  "the first attempt": { query: "?attempt=1" },
  "an attempt that is not there": { query: "?attempt=77" },
  "two ways to say where": { query: "?attempt=1&tail=3&offset=9" },
  "a metric": { query: "?key=critic/rewards/mean&after_step=1" },
  "an empty object": { body: {} },
  "a body of another route": { body: { name: "x" } },
  "more fields than there are": { body: { priority: -1, user_id: "bob", state: "SUCCEEDED" } },
  "a priority above his limit": { body: { priority: 100 } },
  "a priority that is none": { body: { priority: "high" } },
  "half a body": { body: Buffer.from('{"priority":'), headers: JSON_TYPE },
  "a TaskSpec": { body: SPEC },
  "a form": { body: Buffer.from("priority=1"), headers: { "content-type": "application/x-www-form-urlencoded" } },
  "a body of 20 KiB": { body: { priority: "x".repeat(20_000) } },
  "an idempotency key": { headers: { "idempotency-key": "k" } },
  "a condition": { headers: { "if-none-match": "*", "if-match": '"1"', range: "bytes=0-9" } },
  "another method in a header": { headers: { "x-http-method-override": "GET" } },
  ...Object.fromEntries(["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"].map((method) => [method, { method }])),
};

describe("another user's task is a missing task", () => {
  let world: HttpWorld;
  let bob: string;
  /** alice's tasks by state. */
  const ids = new Map<TaskState, string>();

  beforeAll(async () => {
    world = await httpWorld();
    const alice = await world.user("alice");
    bob = await world.user("bob");
    await world.submit(bob);
    // A long spec: reading it costs more than reading nothing.
    for (const state of ["QUEUED", "RUNNING", "SUCCEEDED"] as const)
      ids.set(state, await world.submit(alice, `${SPEC}#${"x".repeat(12_000)}\n`, "?label=team=nlp"));
    await bringTo(world, ids.get("RUNNING") ?? "", "RUNNING");
    await bringTo(world, ids.get("SUCCEEDED") ?? "", "SUCCEEDED");
    await world.call("POST", `/api/v2/tasks/${ids.get("QUEUED")}:hold`, alice);
  });
  afterAll(() => world.close());

  /** All that bob is told, but for what differs between any two answers, and what the store was asked for it. */
  async function told(route: Route, id: RouteId, taskId: string, variant: Variant): Promise<object> {
    const body = "body" in variant ? variant.body : MATRIX[id].body?.("other");
    const url = route.path.replace("{task_id}", taskId) + (variant.query ?? "");
    const watched = watchStore(world.store);
    const answer = await world.call(variant.method ?? route.method, url, bob, body, { ...variant.headers });
    const asked = watched.stop();
    const { date: _, "x-request-id": requestId, ...headers } = answer.headers;
    expect(requestId).toMatch(/^[0-9a-f]{16}$/);
    return { status: answer.status, headers, body: answer.text, asked };
  }

  /** The same form and length; nobody has it. */
  const missing = (taskId: string): string => `${taskId.slice(0, -8)}${taskId.endsWith("00000000") ? "11111111" : "00000000"}`;

  test.each(onTasks.map(([id, route]) => [id, route] as const))("%s", async (id, route) => {
    for (const [name, variant] of Object.entries(VARIANTS))
      for (const [state, taskId] of ids)
        expect(await told(route, id, taskId, variant), `${state}, ${name}`).toEqual(await told(route, id, missing(taskId), variant));
    expect(await told(route, id, ids.get("QUEUED") ?? "", {})).toMatchObject({
      status: 404,
      body: JSON.stringify({
        type: "about:blank#task_not_found",
        title: "Not found",
        status: 404,
        detail: "task not found",
        code: "task_not_found",
      }),
      // For bob: a row of alice's that is read and then thrown away takes longer than none (docs/measured.md).
      asked: ["users.findByTokenHash", "tasks.get bob", "tasks.find bob"],
    });
  });

  test.each(onTasks.map(([id, route]) => [id, route] as const))("%s by a part of the id", async (id, route) => {
    for (const [state, taskId] of ids)
      for (const [part, other] of [
        [taskId.slice(-8), "fedcba98"],
        [taskId.slice(-12), `${taskId.slice(-12, -8)}fedcba98`],
        [taskId.slice(0, 16), "mvp2-alicf-grpo-"],
        [taskId.slice(0, -1), missing(taskId).slice(0, -1)],
        [`${taskId}--a01`, `${missing(taskId)}--a01`],
      ] as const)
        expect(await told(route, id, part, {}), `${state}, ${part}`).toEqual(await told(route, id, other, {}));
  });

  test("nothing of it has changed after all that", async () => {
    const states = await Promise.all([...ids.values()].map(async (taskId) => (await world.store.tasks.get(taskId))?.state));
    expect(states).toEqual([...ids.keys()]);
    for (const taskId of ids.values()) expect(await world.store.tasks.get(taskId)).toMatchObject({ priority: 0, cancelRequestedAt: null });
    expect((await world.store.tasks.get(ids.get("QUEUED") ?? ""))?.held).toBe(true);
  });
});
