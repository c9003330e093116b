import { afterAll, beforeAll, expect, test } from "vitest";
import { ADMIN_TOKEN, httpWorld, type HttpWorld, SPEC } from "../support/http-world.ts";

let world: HttpWorld;
let token: string;

beforeAll(async () => {
  world = await httpWorld();
  token = await world.user("alice");
});
afterAll(() => world.close());

type Said = { detail: string; errors: readonly { field: string; message: string; found: string | null; allowed: string | null }[] };

async function refusal(method: string, path: string, body?: unknown): Promise<Said> {
  const answer = await world.call(method, path, path.startsWith("/api/v2/tasks") ? token : ADMIN_TOKEN, body);
  expect(answer.status).toBe(400);
  return answer.json();
}

test.each([
  ["limit=201", "limit is 201; allowed: a whole number from 1 to 200"],
  ["limit=1e1", "limit is 1e1; allowed: a whole number from 1 to 200"],
  ["limit=", 'limit is ""; allowed: a whole number from 1 to 200'],
  ["limit=1&limit=2", "limit is given more than once; allowed: a whole number from 1 to 200"],
  ["workload=GRPO", "workload is GRPO; allowed: ppo, grpo, sft"],
  ["name=n1", "name is no parameter of this call; allowed: limit, cursor, state, workload, label, user"],
])("GET /tasks?%s says what may stand there", async (query, detail) => {
  expect((await refusal("GET", `/api/v2/tasks?${query}`)).detail).toBe(detail);
});

test("a parameter of a submission that is no number, no instant or no ASCII is named with what was found", async () => {
  const query = "max_runtime_s=8h&deadline=2030-01-01T00:00:00+02:00&name=%C3%A9";
  const answer = await world.call("POST", `/api/v2/tasks?${query}`, token, SPEC, { "content-type": "application/yaml" });
  const { errors } = answer.json() as Said;
  expect(errors.map(({ field, found }) => [field, found])).toEqual([
    ["name", '"é"'],
    ["deadline", '"2030-01-01T00:00:00 02:00"'],
    ["max_runtime_s", "8h"],
  ]);
  expect(errors.map(({ allowed }) => allowed)).toEqual([
    "text of 1 to 128 characters",
    "an instant with its zone, such as 2026-01-31T08:00:00Z (in an address + is written %2B)",
    "a number from 0.001 to 31536000",
  ]);
  expect(errors[0]?.message).toBe('is "é", which must be printable ASCII');
});

test.each([
  [{}, "user_id is missing; allowed: text of at most 128 characters"],
  [{ user_id: 5 }, "user_id is 5; allowed: text of at most 128 characters"],
  [{ user_id: "x", role: "admin" }, "role is no field of this call; allowed: user_id, display_name"],
  [["x"], "body is a list; allowed: a JSON object"],
])("POST /users with %j says which field is wrong", async (body, detail) => {
  expect((await refusal("POST", "/api/v2/users", body)).detail).toBe(detail);
});

test("a value of any length is quoted in part only", async () => {
  const { errors } = await refusal("GET", `/api/v2/tasks?workload=${"x".repeat(5_000)}`);
  expect(errors[0]?.found).toHaveLength(81);
});

test.each(["/api/v2/queue:pause", "/api/v2/queue:resume"])("POST %s needs no body", async (path) => {
  expect((await world.call("POST", path, ADMIN_TOKEN)).status).toBe(200);
  const form = await world.call("POST", path, ADMIN_TOKEN, "", {
    "content-type": "application/x-www-form-urlencoded",
    "content-length": "0",
  });
  expect(form.status).toBe(200);
});

test("the limits of a user are not set by a call without a body", async () => {
  expect((await world.call("PUT", "/api/v2/users/alice/limits", ADMIN_TOKEN)).status).toBe(415);
});

test("the OpenAPI document says of which calls the body may be left out", async () => {
  const { paths } = (await world.call("GET", "/openapi.json", null)).json();
  const required = (path: string, method: string): boolean => paths[path][method].requestBody.required;
  expect(required("/api/v2/nodes/{node}:drain", "post")).toBe(false);
  expect(required("/api/v2/users/{user_id}/limits", "put")).toBe(true);
  expect(required("/api/v2/tasks/{task_id}:prioritize", "post")).toBe(true);
});
