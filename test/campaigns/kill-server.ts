/**
 * The part of the campaign `kill-server` that runs on the tree under test: SIGKILL to the server at random moments, again and again, while users
 * submit and cancel, against the fake Ray and real launchers. At the end everything is counted, by the fake Ray's ledger, by what the drivers wrote
 * into the world, and by what the API had acknowledged. Each kill is one JSON line, and the count the last one.
 *
 *     node test/campaigns/kill-server.ts --from N --minutes M --kills K --history H
 */
import { parseArgs } from "node:util";
import { startFakeRay } from "../support/fake-ray.ts";
import { api, endServerProcesses, entrypointRunner, hasEnded, type ServerProcess, startServerProcess } from "../support/server-process.ts";
import { makeStubRoot, overlapOf, startedTwice, type Trainee } from "../support/stub-trainer/stub-root.ts";
import { addEndedTasks } from "./ended-tasks.ts";
import { type Draw, drawFrom } from "./random.ts";

export type KillServerLine =
  | { readonly kind: "kill"; readonly kill: number; readonly readyS: number }
  | {
      readonly kind: "count";
      readonly tasks: number;
      readonly attempts: number;
      readonly starts: number;
      readonly canceled: number;
      readonly history: number;
      /** POSTs of an id that Ray had carried out already and forgotten: harmless, since its claim was taken. */
      readonly postedAgain: number;
      readonly violations: readonly string[];
    };

const OPEN = 100;
const ENDS_MS = 300_000;
const ENV = {
  VERLPOOL_SCHEDULER_MAX_RUNNING_TASKS: "6",
  VERLPOOL_LIMITS_MAX_QUEUED: "100000",
  VERLPOOL_LIMITS_REQUESTS_PER_SECOND: "1000",
  VERLPOOL_LIMITS_BURST: "1000",
  VERLPOOL_LEASE_BEAT_S: "1",
};

const { values } = parseArgs({
  options: {
    from: { type: "string", default: "1" },
    minutes: { type: "string", default: "10" },
    kills: { type: "string", default: "200" },
    history: { type: "string", default: "100000" },
  },
});
const history = Number(values.history);
const until = performance.now() + Number(values.minutes) * 60_000;

type Client = {
  readonly trainee: Trainee;
  /** Idempotency key → id, once a 201 was heard. */
  readonly acknowledged: Map<string, string>;
  readonly cancelsAsked: Set<string>;
  /** Keys whose answer was never heard: they are sent again, and must not make a second task. */
  readonly unanswered: Set<string>;
  open: number;
};

await main();

async function main(): Promise<void> {
  const root = makeStubRoot();
  const ray = await startFakeRay({ run: entrypointRunner() });
  for (const [index, name] of ["worker-1", "worker-2"].entries())
    ray.cluster.addNode(name, `127.0.0.${index + 3}`, { CPU: 64, GPU: 4, worker_node: 100 });
  const start = (): Promise<ServerProcess> => startServerProcess({ root: root.root, rayAddress: ray.baseUrl, env: ENV });
  const trainee = root.trainee({ steps: 3, step_s: 0.2 });
  const client: Client = { trainee, acknowledged: new Map(), cancelsAsked: new Set(), unanswered: new Set(), open: 0 };
  try {
    await makeHistory(root.root, await start(), client);
    const from = Number(values.from);
    for (let kill = from; kill < from + Number(values.kills) && performance.now() < until; kill += 1) {
      const began = performance.now();
      const server = await start();
      const readyS = await firstAnswer(server, client, began);
      await live(server, client, drawFrom(kill));
      server.child.kill("SIGKILL");
      await server.exited;
      say({ kind: "kill", kill, readyS });
    }
    const server = await start();
    for (const key of client.unanswered) await submit(server, client, key);
    const violations = await count(server, client);
    const attempts = await attemptIds(server, client);
    const { ledger } = ray.cluster;
    const strangers = ledger.accepted.filter((id) => !attempts.includes(id));
    say({
      kind: "count",
      tasks: client.acknowledged.size,
      attempts: attempts.length,
      starts: client.trainee.signs().filter(({ what }) => what === "start").length,
      canceled: client.cancelsAsked.size,
      history,
      postedAgain: ledger.accepted.length - new Set(ledger.accepted).size,
      violations: [...violations, ...strangers.map((id) => `Ray was given ${id}, which has no row`)],
    });
  } finally {
    await endServerProcesses();
    await ray.close();
    root.remove();
  }
}

/** One task that ended is copied into a long history while no server runs. */
async function makeHistory(root: string, server: ServerProcess, client: Client): Promise<void> {
  await api(server, "POST", "/api/v2/users", { user_id: "alice" });
  await submit(server, client, "the-first");
  const id = client.acknowledged.get("the-first") ?? "";
  await ended(server, id);
  server.child.kill("SIGTERM");
  await server.exited;
  addEndedTasks(root, id, history);
}

/** From the start of the process to an answer that needs the database. */
async function firstAnswer(server: ServerProcess, client: Client, began: number): Promise<number> {
  const [id = ""] = client.acknowledged.values();
  const { status } = await api(server, "GET", `/api/v2/tasks/${id}`);
  if (status !== 200) throw new Error(`an acknowledged task is answered with ${status} after a restart`);
  return (performance.now() - began) / 1000;
}

/** Keeps a hundred tasks open and cancels some, until the moment to die; what was on its way then is not waited for. */
async function live(server: ServerProcess, client: Client, draw: Draw): Promise<void> {
  const dies = AbortSignal.timeout(Math.floor(draw.below(3_000)));
  const { body } = await api(server, "GET", "/api/v2/queue");
  client.open = ["running", "waiting"].reduce((sum, part) => sum + (body[part] as unknown[]).length, 0);
  while (!dies.aborted) {
    const work = act(server, client, draw);
    const died = new Promise<"died">((resolve) => dies.addEventListener("abort", () => resolve("died"), { once: true }));
    if ((await Promise.race([work, died])) === "died") {
      // Its connection will break with the server; whether it was carried out is what the next server tells.
      work.catch(() => undefined);
      return;
    }
  }
}

async function act(server: ServerProcess, client: Client, draw: Draw): Promise<void> {
  const [unanswered] = client.unanswered;
  if (unanswered !== undefined) return submit(server, client, unanswered);
  if (client.open < OPEN) {
    client.open += 1;
    return submit(server, client, `key-${client.acknowledged.size}-${draw.below(1e9).toFixed(0)}`);
  }
  if (draw.chance(0.05)) {
    const ids = [...client.acknowledged.values()];
    const id = ids.at(-1 - Math.floor(draw.below(Math.min(ids.length, OPEN)))) ?? "";
    // Before it is sent: a server that dies before it answers may have done it all the same.
    client.cancelsAsked.add(id);
    await api(server, "POST", `/api/v2/tasks/${id}:cancel`, {});
  }
  await new Promise((resolve) => setTimeout(resolve, 20));
}

async function submit(server: ServerProcess, client: Client, key: string): Promise<void> {
  client.unanswered.add(key);
  const answer = await api(server, "POST", "/api/v2/tasks?user=alice", client.trainee.spec, { "idempotency-key": key });
  if (answer.status !== 201) throw new Error(`a submission is answered with ${answer.status}: ${answer.text}`);
  client.unanswered.delete(key);
  client.acknowledged.set(key, String(answer.body["task_id"]));
}

async function ended(server: ServerProcess, id: string): Promise<{ readonly [key: string]: unknown }> {
  const deadline = performance.now() + ENDS_MS;
  for (;;) {
    const { body } = await api(server, "GET", `/api/v2/tasks/${id}`);
    if (hasEnded(body) || performance.now() > deadline) return body;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

async function count(server: ServerProcess, client: Client): Promise<readonly string[]> {
  const violations: string[] = [];
  for (const id of client.acknowledged.values()) {
    const task = await ended(server, id);
    const wanted = client.cancelsAsked.has(id) ? ["CANCELED", "SUCCEEDED"] : ["SUCCEEDED"];
    if (!wanted.includes(String(task["state"]))) violations.push(`${id} is ${String(task["state"])}: ${JSON.stringify(task["failure"])}`);
  }
  const signs = client.trainee.signs();
  const byTask = Map.groupBy(signs, ({ attempt }) => attempt.slice(0, -5));
  for (const [id, own] of byTask) {
    const overlap = overlapOf(own);
    if (overlap > 0) violations.push(`${id} lived twice at once for ${overlap.toFixed(3)} s`);
  }
  return [...violations, ...startedTwice(signs).map((attempt) => `${attempt} was started twice`), ...answersOfTwoKeys(client)];
}

async function attemptIds(server: ServerProcess, client: Client): Promise<readonly string[]> {
  const ids: string[] = [];
  for (const id of client.acknowledged.values()) {
    const { body } = await api(server, "GET", `/api/v2/tasks/${id}/attempts`);
    const attempts = body["attempts"] as readonly {
      readonly attempt: number;
      readonly submission_id: string;
      readonly ended_at: string | null;
    }[];
    attempts.forEach((attempt, index) => {
      if (attempt.attempt !== index + 1 || attempt.ended_at === null)
        throw new Error(`the attempts of ${id} are not whole: ${JSON.stringify(attempts)}`);
      ids.push(attempt.submission_id);
    });
  }
  return ids;
}

function answersOfTwoKeys({ acknowledged }: Client): readonly string[] {
  const ids = [...acknowledged.values()];
  return ids.filter((id, index) => ids.indexOf(id) !== index).map((id) => `${id} answers two keys`);
}

function say(line: KillServerLine): void {
  console.log(JSON.stringify(line));
}
