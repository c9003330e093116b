/** Ray's heads: what they remember, when they start an entrypoint, and what becomes of jobs when raylets and heads die (docs of the facts: ray-facts). */
import type { RayJobRequest } from "../../src/control/ports.ts";
import { hits, isOn } from "./fault-state.ts";
import { reachable, releaseWhere } from "./gpus.ts";
import { killTree, losePart, sigkill, sigterm, startLauncher } from "./launcher.ts";
import { type Head, type Job, type Machine, newId, type World } from "./model.ts";

const RETRY_MS = 2_000;

export function newHead(world: World): Head {
  return { session: newId(world, "session_"), jobs: new Map(), up: true };
}

/** A POST that arrived. */
export function accept(world: World, head: Head, request: RayJobRequest): "accepted" | "duplicate" {
  const { submissionId } = request;
  if (head.jobs.has(submissionId)) {
    world.trace.saw("ray: duplicate POST");
    return "duplicate";
  }
  const job: Job = {
    submissionId,
    request,
    status: "PENDING",
    message: "Job has not started yet.",
    errorType: null,
    machine: null,
    nodeId: null,
    launcher: null,
    stopAsked: false,
    lost: false,
  };
  head.jobs.set(submissionId, job);
  const sessions = world.ray.accepted.get(submissionId) ?? [];
  world.ray.accepted.set(submissionId, [...sessions, head.session]);
  world.trace.note(world.timeline.now(), "ray accepts", () => `${submissionId} in ${head.session}`);
  const random = world.random("job start");
  const slow = hits(world, "ray.start.slow");
  const delay = slow ? random.int(10_000, 480_000) : random.int(200, 4_000);
  world.timeline.after(delay, "job start", () => startJob(world, head, job));
  return "accepted";
}

export function startJob(world: World, head: Head, job: Job): void {
  if (job.status !== "PENDING" || job.lost || head.jobs.get(job.submissionId) !== job) return;
  if (!head.up) {
    world.timeline.after(RETRY_MS, "job start again", () => startJob(world, head, job));
    return;
  }
  if (hits(world, "ray.start.fails")) {
    const random = world.random("failed start");
    const errorType = random.pick([
      "JOB_SUPERVISOR_ACTOR_DIED",
      "RUNTIME_ENV_SETUP_FAILURE",
      "JOB_SUPERVISOR_ACTOR_START_TIMEOUT",
      "JOB_SUPERVISOR_ACTOR_START_TIMEOUT",
      "JOB_SUPERVISOR_ACTOR_UNSCHEDULABLE",
      "JOB_SUPERVISOR_ACTOR_START_FAILURE",
    ]);
    endJob(job, "FAILED", "the supervisor of the job did not start", errorType);
    return;
  }
  const candidates = reachable(world).filter((machine) => machine.head === head);
  if (candidates.length === 0) {
    world.timeline.after(RETRY_MS, "job start again", () => startJob(world, head, job));
    return;
  }
  const machine = world.random("driver node").pick(candidates);
  job.status = "RUNNING";
  job.message = "Job is currently running.";
  job.machine = machine;
  job.nodeId = machine.rayNodeId;
  job.launcher = startLauncher(world, job, machine);
  if (job.stopAsked) {
    world.trace.saw("ray: a stopped PENDING job ran");
    const { launcher } = job;
    world.timeline.after(world.random("ghost").int(0, 3_000), "late stop", () => sigterm(world, launcher));
  }
}

export function endJob(job: Job, status: Job["status"], message: string, errorType: string | null): void {
  job.status = status;
  job.message = message;
  job.errorType = errorType;
}

/** Ray says true for a PENDING job too, and runs it all the same. A running one gets TERM, and KILL after `RAY_JOB_STOP_WAIT_TIME_S`. */
export function stopJob(world: World, job: Job): void {
  if (job.status === "PENDING") {
    job.stopAsked = true;
    return;
  }
  const { launcher } = job;
  if (job.status !== "RUNNING" || launcher === null) return;
  if (isOn(world, "ray.stop.ignored")) return;
  const delay = isOn(world, "ray.stop.late") ? world.random("late stop").int(5_000, 120_000) : 100;
  world.timeline.after(delay, "ray stops a job", () => {
    job.stopAsked = true;
    sigterm(world, launcher);
  });
  world.timeline.after(delay + world.plan.settings.graceMs + 10_000, "ray kills a job", () => sigkill(world, launcher));
}

/** The raylet of a node dies: its actors with it; a launcher may be killed, be asked to stop, or live on as an orphan. */
export function rayletDies(world: World, machine: Machine): void {
  const random = world.random("raylet death");
  world.trace.note(world.timeline.now(), "raylet dies", () => machine.name);
  machine.head = null;
  endIncarnation(machine);
  for (const part of releaseWhere(world, (part) => part.machine === machine)) if (part.launcher !== null) losePart(world, part.launcher);
  for (const launcher of world.launchers) {
    if (launcher.machine !== machine || !launcher.alive) continue;
    const fate = random.next();
    if (fate < 0.35) sigkill(world, launcher);
    else if (fate < 0.6) sigterm(world, launcher);
    else world.trace.saw("an orphan outlives its raylet");
  }
  for (const head of [world.ray.current, world.ray.rival]) if (head !== null) failJobsOn(world, head, machine);
}

/** Some time after the node went, its jobs are FAILED for Ray, whatever their processes do. */
export function failJobsOn(world: World, head: Head, machine: Machine): void {
  const nodeId = machine.rayNodeId;
  world.timeline.after(world.random("node death").int(2_000, 20_000), "ray fails the jobs of a node", () => {
    for (const job of head.jobs.values()) {
      if (job.nodeId !== nodeId || job.status !== "RUNNING") continue;
      endJob(job, "FAILED", "Job supervisor actor died: The actor died because its node has died.", "JOB_SUPERVISOR_ACTOR_DIED");
    }
  });
}

/** The watchdog of a node joins the head that is there, as a new incarnation. */
export function joinHead(world: World, machine: Machine, head: Head = world.ray.current): void {
  if (!machine.up || machine.head !== null) return;
  if (!head.up) {
    world.timeline.after(RETRY_MS, "node tries to join", () => joinHead(world, machine, world.ray.current));
    return;
  }
  if (machine.agent !== null && !mayJoin(world, machine)) {
    world.timeline.after(RETRY_MS, "an agent waits to join", () => joinHead(world, machine, world.ray.current));
    return;
  }
  machine.head = head;
  machine.rayNodeId = newId(world, "raynode");
  if (machine.agent !== null) machine.incarnation = newId(world, "incarnation");
  world.trace.note(world.timeline.now(), "node joins", () => `${machine.name} as ${machine.rayNodeId} of ${head.session}`);
}

/** An agent joins once its old raylet is dead and it can beat; without an agent nobody waits. */
function mayJoin(world: World, { agent, cutFromStorageUntil, frozenUntil }: Machine): boolean {
  const now = world.timeline.now();
  return (
    agent !== null && agent.alive && agent.old.length === 0 && cutFromStorageUntil <= now && Math.max(frozenUntil, agent.frozenUntil) <= now
  );
}

function endIncarnation(machine: Machine): void {
  if (machine.incarnation !== null) machine.agent?.old.push(machine.incarnation);
  machine.incarnation = null;
}

/** All processes of a node are gone at once. */
export function losePower(world: World, machine: Machine): void {
  machine.up = false;
  machine.head = null;
  endIncarnation(machine);
  if (machine.agent !== null) machine.agent.alive = false;
  for (const launcher of world.launchers) {
    if (launcher.machine !== machine) continue;
    launcher.alive = false;
    killTree(world, launcher);
  }
  for (const part of releaseWhere(world, (part) => part.machine === machine)) if (part.launcher !== null) losePart(world, part.launcher);
  for (const head of [world.ray.current, world.ray.rival]) if (head !== null) failJobsOn(world, head, machine);
}
