/** `npm run demo`: from nothing to three trained tasks, over HTTP, as a user would; then everything is down again. */
import { apiClient, type Api } from "../../cli/client.ts";
import { isProblem } from "../../cli/problem-error.ts";
import { httpTransport } from "../../cli/transport.ts";
import type { DemoOptions, OutputStream } from "../../cli/world.ts";
import { isAlive } from "../../pool/process-record.ts";
import { clock } from "../clock.ts";
import type { Environment } from "../load-config.ts";
import { stopSignal } from "../stop-signal.ts";
import { VERSION } from "../version.ts";
import { DEMO_TASKS, demoSpec } from "./demo-tasks.ts";
import { resultTable, type Submitted, watch } from "./demo-watch.ts";
import { downCommand } from "./down-command.ts";
import { localRoot, placesOf } from "./places.ts";
import { prepareRoot } from "./prepare-command.ts";
import { readRecord } from "./run-record.ts";
import { adminTokenOf, startDetached, type UpPlan } from "./up-command.ts";

const USER = "alice";

export async function demoCommand(
  options: DemoOptions,
  environment: Environment,
  stdout: OutputStream,
  stderr: OutputStream,
): Promise<number> {
  const root = localRoot(options.root, environment, "verlpool-demo");
  const places = placesOf(root, environment);
  const signal = stopSignal("is ignored");
  const say = (text: string): Promise<void> => stderr.write(`${text}\n`);
  const running = readRecord(places.recordFile);
  if (running !== null && isAlive(running.up)) {
    await say(`verlpool: a pool on ${root} runs already (kept by an earlier demo?); end it with: verlpool down --root ${root}`);
    return 1;
  }
  const start = clock.monotonicMs();
  const seconds = (): string => `${((clock.monotonicMs() - start) / 1000).toFixed(1)} s`;
  let started = false;
  try {
    await say(`verlpool demo: preparing ${root}`);
    const prepared = await prepareRoot(root, options, environment, stderr, signal);
    await say(`verlpool demo: set-up took ${seconds()}`);
    const plan: UpPlan = { root, port: 0, workers: 2, gpusPerWorker: 1, cpusPerWorker: 16, python: prepared.pythonPath, login: false };
    started = true;
    const url = await startDetached(plan, places, environment, (text) => say(`verlpool demo: ${text}`), signal);
    if (url === null) return 1;
    const outcome = await runTasks({
      url,
      root,
      codePath: prepared.codePath,
      adminToken: adminTokenOf(places, environment),
      environment,
      stdout,
      say,
      signal,
    });
    await say(`verlpool demo: ${outcome.ok ? "all three SUCCEEDED" : "not all tasks succeeded"}, ${seconds()} in all`);
    if (options.keep) {
      started = false;
      await say(
        `verlpool demo: the pool goes on at ${url}; as ${USER}:\n  export VERLPOOL_URL=${url} VERLPOOL_TOKEN=${outcome.token}\n  verlpool list\nend it with: verlpool down --root ${root}`,
      );
    }
    return outcome.ok ? 0 : 1;
  } catch (error) {
    if (!signal.aborted) throw error;
    await say("verlpool demo: interrupted");
    return 130;
  } finally {
    // Not the demo's own signal: an interrupted demo still has to take its pool down.
    if (started) await downCommand(root, environment, stderr, AbortSignal.timeout(180_000));
  }
}

type Stage = {
  readonly url: string;
  readonly root: string;
  readonly codePath: string;
  readonly adminToken: string;
  readonly environment: Environment;
  readonly stdout: OutputStream;
  readonly say: (text: string) => Promise<void>;
  readonly signal: AbortSignal;
};

async function runTasks(stage: Stage): Promise<{ readonly ok: boolean; readonly token: string }> {
  const client = (token: string): Api => apiClient({ url: stage.url, urlFrom: "demo", token, tokenFrom: "demo" }, httpTransport(), VERSION);
  const admin = client(stage.adminToken);
  await createUser(admin);
  const { token } = (await admin.call("createToken", { path: { user_id: USER }, json: { name: "demo" } })).value;
  await stage.say(`verlpool demo: user ${USER} and her token are made; she submits PPO, GRPO and SFT`);
  const alice = client(token);
  const tasks: Submitted[] = [];
  for (const demo of DEMO_TASKS) {
    const yaml = Buffer.from(demoSpec(demo, stage.codePath));
    const { task_id: taskId } = (await alice.call("createTask", { yaml, query: { profile: demo.profile, name: `demo-${demo.workload}` } }))
      .value;
    tasks.push({ taskId, demo });
    await stage.say(`  ${demo.workload.padEnd(4)}  ${taskId}`);
  }
  const ended = await watch(alice, tasks, stage.say, stage.signal);
  await resultTable(alice, tasks, ended, stage.root, stage.environment, stage.stdout);
  await stage.say(
    "The model is tiny and was made unsure on purpose: RL wins back what noise hid. The losses, rewards and checkpoints are verl's own.",
  );
  return { ok: ended.every((task) => task.state === "SUCCEEDED"), token };
}

async function createUser(admin: Api): Promise<void> {
  try {
    await admin.call("createUser", { json: { user_id: USER, display_name: "Alice" } });
  } catch (error) {
    // The database of an earlier demo on this root knows her already.
    if (!isProblem(error, "user_exists")) throw error;
  }
}
