/** The launcher as Ray really starts, stops and kills it: what the unit tests take for granted. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { createRayHttp, type RayHttp } from "../../src/ray/ray-http.ts";
import { createRayJobs } from "../../src/ray/jobs-client.ts";
import { lookAtAttempt } from "../../src/storage/attempt-directory.ts";
import { cleanUp, commandOf, makeJob, processesOf, readText, until, type Job } from "../support/launch.ts";
import { pythonFrom, startRealRay, type RealRay } from "../support/real-ray.ts";

/** A Ray driver, as verl's are: it must find its raylet in the process list, and its actors must carry the tag. */
const RAY_DRIVER = `
import os, ray
ray.init(address="auto", log_to_driver=False)
@ray.remote(num_gpus=1)
def look(): return os.environ["VERLPOOL_ATTEMPT"], ray.get_runtime_context().get_node_id()
tag, node = ray.get(look.remote())
print("tag", tag, "same node", node == ray.get_runtime_context().get_node_id(), flush=True)
`;
const NEVER_ENDING = "trap '' TERM; setsid sleep 1000 & echo up; while :; do sleep 0.2; done";

let ray: RealRay;
let http: RayHttp;

beforeAll(async () => {
  ray = await startRealRay(pythonFrom("VERLPOOL_TEST_PYTHON"));
  const { dashboardUrl, tokenFile } = ray.pool.describe();
  http = createRayHttp({ baseUrl: () => dashboardUrl, tokenFile: () => tokenFile });
});

afterEach(cleanUp);

afterAll(async () => {
  await http.close();
  await ray.close();
});

async function submit(job: Job): Promise<void> {
  const python = pythonFrom("VERLPOOL_TEST_PYTHON");
  const request = {
    submissionId: job.submissionId,
    entrypoint: `exec ${python} -I -S ${job.launcher} ${job.directory}`,
    envVars: { VERLPOOL_ATTEMPT: job.submissionId, SPT_NOENV: "1", RAY_JOB_STOP_WAIT_TIME_S: "15" },
    metadata: {},
    resources: { worker_node: 1 },
  };
  expect(await createRayJobs(http).submit(request, AbortSignal.timeout(60_000))).toEqual({ kind: "accepted" });
}

async function status(job: Job): Promise<string> {
  const view = await createRayJobs(http).get(job.submissionId, AbortSignal.timeout(60_000));
  return view.kind === "found" ? view.status : view.kind;
}

async function ended(job: Job): Promise<string> {
  const deadline = AbortSignal.timeout(180_000);
  for (;;) {
    const now = await status(job);
    if (now !== "PENDING" && now !== "RUNNING" && now !== "unknown") return now;
    if (deadline.aborted) throw new Error(`job ${job.submissionId} is still ${now}; its log:\n${readText(job, "logs/driver.log")}`);
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}

const look = (job: Job) => lookAtAttempt(job.root, job.userId, job.submissionId);

describe("the launcher on real Ray", () => {
  it("runs a driver that uses Ray itself, and Ray hands the tag to its tasks", async () => {
    const job = makeJob({ argv: [pythonFrom("VERLPOOL_TEST_PYTHON"), "-c", RAY_DRIVER], fields: { env: { SPT_NOENV: "1" } } });
    await submit(job);
    const end = await ended(job);
    // Without PID namespaces Ray's driver attaches to the first raylet of the machine, which is the head's (it scans the process list).
    const isOwnNode = ray.pool.describe().containment === "none" ? "" : "True";
    const log: unknown = expect.stringContaining(`tag ${job.submissionId} same node ${isOwnNode}`);
    expect({ end, log: readText(job, "logs/driver.log") }).toEqual({ end: "SUCCEEDED", log });
    expect(look(job)).toMatchObject({ claim: { by: "launcher" }, result: { outcome: "exited", exitCode: 0 } });
  });

  it("tells a stop by Ray with a tree that ignores TERM before Ray would kill it", async () => {
    const job = makeJob({ argv: ["sh", "-c", NEVER_ENDING], graceS: 2 });
    await submit(job);
    await until("the driver is up", () => readText(job, "logs/driver.log").includes("up"), 180_000);
    await createRayJobs(http).stop(job.submissionId, AbortSignal.timeout(60_000));
    expect(await ended(job)).toBe("STOPPED");
    expect(look(job)).toMatchObject({ result: { outcome: "stopped", stopWhy: null, signal: "SIGKILL" } });
    await until("no process of the attempt lives", () => processesOf(job).length === 0);
  });

  it("leaves nothing alive when Ray's supervisor is killed", async () => {
    const job = makeJob({ argv: ["sh", "-c", NEVER_ENDING] });
    await submit(job);
    await until("the driver is up", () => readText(job, "logs/driver.log").includes("up"), 180_000);
    for (const pid of supervisorsOf(job)) process.kill(pid, "SIGKILL");
    await until("no process of the attempt lives", () => processesOf(job).length === 0, 60_000);
    expect(await ended(job)).toBe("FAILED");
    expect(look(job)).toMatchObject({ claim: { by: "launcher" }, result: null });
  });
});

/** Ray's JobSupervisor actor of the job carries the tag too. */
function supervisorsOf(job: Job): readonly number[] {
  return processesOf(job).filter((pid) => commandOf(pid).startsWith("ray::"));
}
