/**
 * Thousands of calls drawn from the OpenAPI document, valid ones and broken ones, against a server with tasks that ran: no 5xx, no status, type or
 * body that the document does not promise, and nothing without a token. Real schemathesis; the seed makes a run repeatable.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Route, ROUTES } from "../../src/contract/routes.ts";
import { formatSubmissionId } from "../../src/domain/ids.ts";
import { routerPath } from "../../src/http/app.ts";
import { makeFakePool } from "../support/fake-pool.ts";
import { type FakeRay, startFakeRay } from "../support/fake-ray.ts";
import { pythonFrom } from "../support/real-ray.ts";
import {
  ADMIN_TOKEN,
  api,
  endServerProcesses,
  entrypointRunner,
  hasEnded,
  type ServerProcess,
  startServerProcess,
  waitForTask,
} from "../support/server-process.ts";

/** Another one finds other things: run with VERLPOOL_TEST_SEED=<number>. */
const SEED = process.env["VERLPOOL_TEST_SEED"] ?? "20261124";
const EXAMPLES = process.env["VERLPOOL_TEST_EXAMPLES"] ?? "40";
/**
 * Not `positive_data_acceptance`: that a cursor was made for this caller, a priority is within his limit and a file exists is no schema's to say.
 * Nor `object_level_authorization`: it passes also where a planted mistake shows bob what is alice's. test/http/ looks after that.
 */
const CHECKS = [
  "not_a_server_error",
  "status_code_conformance",
  "content_type_conformance",
  "response_schema_conformance",
  "response_headers_conformance",
  "unsupported_method",
  "allow_header_conformance",
  "missing_required_header",
  "negative_data_rejection",
  "use_after_free",
  "ensure_resource_availability",
  "ignored_auth",
];

/** It asks as fast as it can, often with tokens that are none: refusals for that are another test's. */
const UNLIMITED = {
  VERLPOOL_SERVER_LOG_LEVEL: "warn",
  VERLPOOL_LIMITS_REQUESTS_PER_SECOND: "10000",
  VERLPOOL_LIMITS_BURST: "100000",
  VERLPOOL_LIMITS_FAILED_LOGINS_PER_MINUTE: "100000",
  VERLPOOL_LIMITS_STREAMS: "1000",
};

/**
 * test/http/ does what these are for: a silent attempt on nodes that are off, and a node that is gone, take minutes to make; no attempt here leaves a
 * checkpoint to export; a token is rotated only until a draw has revoked it; a stream never ends; and a path with slashes is none that schemathesis draws.
 */
const NOT_HERE: ReadonlySet<string> = new Set(["declareDead", "forgetNode", "exportTask", "rotateToken", "streamChanges", "readArtifact"]);

/** Text goes as it is, not as a YAML scalar; without this no TaskSpec would be a mapping. */
const HOOKS = `import schemathesis

@schemathesis.serializer("application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml")
def as_it_is(ctx, value):
    return str(value).encode("utf-8", "surrogatepass")
`;

let pool: ReturnType<typeof makeFakePool>;
let ray: FakeRay;
let server: ServerProcess;
const tokens: { [user: string]: { readonly id: string; readonly secret: string } } = {};
/** Ended, so that a log that is followed ends; and waiting, which is what hold, release, requeue and prioritize are for. */
const tasks = { ended: new Array<string>(), waiting: new Array<string>() };

beforeAll(async () => {
  pool = makeFakePool();
  ray = await startFakeRay({ run: entrypointRunner() });
  ray.cluster.addNode("worker-1", "127.0.0.3", { CPU: 64, GPU: 4, worker_node: 100 });
  server = await startServerProcess({ root: pool.root, rayAddress: ray.baseUrl, env: UNLIMITED });
  for (const user of ["alice", "bob"]) {
    await api(server, "POST", "/api/v2/users", { user_id: user });
    const { body } = await api(server, "POST", `/api/v2/users/${user}/tokens`, { name: "test" });
    tokens[user] = { id: String(body["token_id"]), secret: String(body["token"]) };
    for (const workload of ["sft", "grpo"] as const) tasks.ended.push(await submit(user, workload));
  }
  for (const task of tasks.ended) await waitForTask(server, task, hasEnded);
  // One runs until the end of the tests, and is given to nobody; the others wait behind it.
  pool.hold();
  await submit("bob", "sft");
  for (const user of ["alice", "alice", "bob"]) tasks.waiting.push(await submit(user, "sft"));
});

afterAll(async () => {
  pool.letGo();
  await endServerProcesses();
  await ray.close();
  pool.remove();
});

async function submit(user: string, workload: "sft" | "grpo"): Promise<string> {
  const { status, text, body } = await api(server, "POST", `/api/v2/tasks?user=${user}`, pool.spec(workload));
  expect(status, text).toBe(201);
  return String(body["task_id"]);
}

/** The server's own document, with two TaskSpecs that are valid here: no schema of a text leads to one. Without the stream, which never ends. */
async function documentFile(folder: string): Promise<string> {
  const document = JSON.parse((await api(server, "GET", "/openapi.json")).text);
  delete document.paths["/api/v2/stream"];
  const examples = { sft: { value: pool.spec("sft") }, grpo: { value: pool.spec("grpo") } };
  for (const path of ["/api/v2/tasks", "/api/v2/tasks:plan"])
    for (const content of Object.values<object>(document.paths[path].post.requestBody.content)) Object.assign(content, { examples });
  const file = join(folder, "openapi.json");
  writeFileSync(file, JSON.stringify(document));
  return file;
}

/** Ids that exist, so that more than 404s are seen; the rest of the time ids are drawn. */
function configuration(token: string): string {
  const drawn = (name: string): string => `{ dictionary = "${name}", probability = 0.6 }`;
  const values = (list: readonly string[]): string => `{ values = ${JSON.stringify(list)} }`;
  return `hooks = "hooks"
headers = { Authorization = "Bearer ${token}" }
[dictionaries]
ended = ${values(tasks.ended)}
waiting = ${values(tasks.waiting)}
users = ${values(["alice", "bob"])}
tokens = ${values(Object.values(tokens).map(({ id }) => id))}
attempts = ${values(tasks.ended.map((task) => formatSubmissionId(task, 1)))}
[parameters]
"path.task_id" = ${drawn("ended")}
"path.user_id" = ${drawn("users")}
"path.token_id" = ${drawn("tokens")}
"path.submission_id" = ${drawn("attempts")}
[[operations]]
include-operation-id = ["holdTask", "releaseTask", "requeueTask", "prioritizeTask"]
parameters = { "path.task_id" = ${drawn("waiting")} }
`;
}

async function schemathesis(name: string, token: string) {
  const folder = join(pool.root, `schemathesis-${name}`);
  mkdirSync(folder, { mode: 0o700 });
  writeFileSync(join(folder, "hooks.py"), HOOKS);
  writeFileSync(join(folder, "schemathesis.toml"), configuration(token));
  const args = ["run", await documentFile(folder), "--url", server.url, "--checks", CHECKS.join(","), "--seed", SEED];
  const options = ["--max-examples", EXAMPLES, "--no-color", "--continue-on-failure", "--request-timeout", "30"];
  const child = spawn(
    join(dirname(pythonFrom("VERLPOOL_TEST_PYTHON_SCHEMATHESIS")), "schemathesis"),
    [...args, ...options, "--generation-database", "none", "--suppress-health-check", "filter_too_much"],
    { cwd: folder, env: { PATH: process.env["PATH"], HOME: folder, PYTHONPATH: folder }, stdio: ["ignore", "pipe", "pipe"] },
  );
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => (output += chunk.toString()));
  const [code] = (await once(child, "close")) as [number | null];
  const count = Number(/(\d+) generated/.exec(output)?.[1] ?? 0);
  console.log(`schemathesis ${name}: ${count} calls, seed ${SEED}, exit ${code}`);
  return { code, count, output };
}

describe("calls drawn from the OpenAPI document", () => {
  test.each([
    ["alice", () => tokens["alice"]?.secret ?? ""],
    // Last: it disables users and revokes their tokens.
    ["admin", () => ADMIN_TOKEN],
  ])("as %s find nothing that it does not promise", async (name, token) => {
    const { code, count, output } = await schemathesis(name, token());
    expect(code, output).toBe(0);
    expect(count).toBeGreaterThan(1_000);
    expect(server.stderr()).not.toContain("a request failed");
  });

  test("went deeper than refusals: every route has done what it is for", async () => {
    const { text } = await api(server, "GET", "/metrics");
    const done = (route: Route): boolean =>
      text.includes(`verlpool_http_request_seconds_count{route="${routerPath(route.path)}",status="${route.status}"}`);
    expect(Object.entries<Route>(ROUTES).flatMap(([id, route]) => (done(route) || NOT_HERE.has(id) ? [] : [id]))).toEqual([]);
  });
});
