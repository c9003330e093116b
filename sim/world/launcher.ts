/**
 * A launcher as `launch.py` is: claim or exit 75; one thread that beats, one that only watches a clock and kills the tree; the result once the
 * tree is dead. And its trainer, as its plan says. A frozen process does nothing until it is thawed.
 */
import type { AttemptResult } from "../../src/domain/types.ts";
import { isOn } from "./fault-state.ts";
import { acquireGang, freeInAll, releaseOf } from "./gpus.ts";
import { EPOCH_MS, isFrozen, type Job, type Launcher, type Machine, newId, submissionOf, type World } from "./model.ts";
import { parseSubmissionId } from "../../src/domain/ids.ts";
import { linkClaim, writeLease, writeResult } from "./shared-storage.ts";

const BEAT_MS = 5_000;
const CLOCK_TICK_MS = 500;
const LOST_EXIT = 75;
const BROKEN_EXIT = 70;
const TERM_EXIT = 143;

export function startLauncher(world: World, job: Job, machine: Machine): Launcher {
  const parsed = parseSubmissionId(job.submissionId);
  const task = world.database.tasks.get(parsed?.taskId ?? "")?.task;
  const item = submissionOf(world, task?.name ?? null);
  if (parsed === null || task === undefined || item === null) throw new Error(`Ray runs ${job.submissionId}, which is no attempt of ours`);
  const trainers = item.trainers;
  const plan = trainers[Math.min(parsed.attempt, trainers.length) - 1] ?? { runMs: 1_000, end: "ok" as const };
  const launcher: Launcher = {
    id: world.launchers.length,
    submissionId: job.submissionId,
    taskId: task.taskId,
    userId: task.userId,
    attempt: parsed.attempt,
    machine,
    incarnation: machine.incarnation,
    job,
    nonce: newId(world, "nonce"),
    containment: item.containment,
    plan,
    isReinforcement: item.workload !== "sft",
    nodes: item.nodes,
    gpusPerNode: item.gpus,
    cpusPerNode: cpusOf(item.gpus),
    alive: true,
    claimedAt: null,
    treeAlive: false,
    lastBeatStart: 0,
    beats: 0,
    frozenUntil: 0,
    frozenSince: null,
    isThawedDead: false,
    reason: null,
    killAt: Number.POSITIVE_INFINITY,
    exitCode: null,
    signal: null,
    oomKill: false,
    hangs: false,
    goneAt: null,
    workStartedAt: null,
  };
  world.launchers.push(launcher);
  world.trace.note(world.timeline.now(), "launcher starts", () => `${launcher.submissionId} on ${machine.name}`);
  const random = world.random("launcher");
  doLater(world, launcher, random.int(20, 1_500), "launcher looks", () => look(world, launcher));
  return launcher;
}

export function cpusOf(gpus: number): number {
  return gpus + 1;
}

/** Once the process can run: not while it is frozen, never after its death. */
function doLater(world: World, launcher: Launcher, ms: number, label: string, act: () => void): void {
  world.timeline.after(ms, label, () => {
    if (!launcher.alive) return;
    if (isFrozen(world, launcher)) {
      const thaw = Math.max(launcher.frozenUntil, launcher.machine.frozenUntil) - world.timeline.now();
      doLater(world, launcher, thaw + world.random("thaw").int(0, 400), label, act);
      return;
    }
    act();
  });
}

/** A call to storage: it hangs while the mount is away and is carried out when that is back, also for a process that was frozen meanwhile. */
function io(world: World, launcher: Launcher, label: string, act: () => void): void {
  const ms = world.random("launcher io").int(1, 60);
  const wait = launcher.machine.cutFromStorageUntil - world.timeline.now();
  if (wait > 0) {
    world.timeline.after(wait + ms, label, () => {
      if (launcher.alive) io(world, launcher, label, act);
    });
    return;
  }
  doLater(world, launcher, ms, label, act);
}

function exit(world: World, launcher: Launcher, code: number): void {
  launcher.alive = false;
  const { job } = launcher;
  world.trace.note(world.timeline.now(), "launcher exits", () => `${launcher.submissionId} with ${code}`);
  world.timeline.after(world.random("job end").int(100, 2_500), "ray sees the end", () => {
    if (job.status !== "RUNNING") return;
    if (job.stopAsked) Object.assign(job, { status: "STOPPED", message: "Job was intentionally stopped." });
    else if (code === 0) Object.assign(job, { status: "SUCCEEDED", message: "Job finished successfully." });
    else
      Object.assign(job, {
        status: "FAILED",
        message: `Job entrypoint command failed with exit code ${code}`,
        errorType: "JOB_ENTRYPOINT_COMMAND_ERROR",
      });
  });
}

function look(world: World, launcher: Launcher): void {
  io(world, launcher, "launcher lists control", () => {
    const files = world.directories.get(launcher.submissionId)?.files;
    if (files === undefined) return exit(world, launcher, BROKEN_EXIT);
    if (files.claim !== null || files.stop !== null) {
      world.trace.saw("a launcher found the claim or a stop");
      return exit(world, launcher, LOST_EXIT);
    }
    doLater(world, launcher, world.random("launcher").int(5, 900), "launcher contains itself", () =>
      io(world, launcher, "launcher links its claim", () => claim(world, launcher)),
    );
  });
}

function claim(world: World, launcher: Launcher): void {
  if (isOn(world, "storage.full")) return exit(world, launcher, BROKEN_EXIT);
  const directory = world.directories.get(launcher.submissionId);
  if (directory === undefined) return exit(world, launcher, BROKEN_EXIT);
  const now = world.timeline.now();
  const won = linkClaim(world, directory, {
    by: "launcher",
    why: null,
    nonce: launcher.nonce,
    host: launcher.machine.name,
    nodeId: launcher.machine.rayNodeId,
    agentIncarnation: launcher.incarnation,
    containment: launcher.containment,
    raySession: null,
    at: wallText(world, launcher.machine),
  });
  if (!won) {
    world.trace.saw("a launcher lost the claim");
    return exit(world, launcher, LOST_EXIT);
  }
  launcher.claimedAt = now;
  launcher.treeAlive = true;
  launcher.lastBeatStart = now;
  world.trace.note(now, "CLAIM", () => `${launcher.submissionId} on ${launcher.machine.name}`);
  beat(world, launcher);
  watchClock(world, launcher, CLOCK_TICK_MS);
}

function wallText(world: World, machine: Machine): string {
  return new Date(EPOCH_MS + world.timeline.now() + machine.clockOffsetMs).toISOString();
}

function beat(world: World, launcher: Launcher): void {
  const start = world.timeline.now();
  io(world, launcher, "beat", () => {
    const directory = world.directories.get(launcher.submissionId);
    if (directory === undefined) return;
    if (launcher.goneAt !== null) {
      // A write that hung arrives all the same.
      writeLease(world, directory, (launcher.beats += 1));
      return;
    }
    const next = (wait: number): void =>
      doLater(world, launcher, wait, "next beat", () => {
        if (launcher.goneAt === null) beat(world, launcher);
      });
    if (isOn(world, "storage.full") && world.random("full beat").chance(0.3)) return next(1_000);
    launcher.beats += 1;
    launcher.lastBeatStart = start;
    writeLease(world, directory, launcher.beats);
    if (directory.files.stop !== null) askStop(world, launcher, "stopped", directory.files.stop);
    if (launcher.beats === 1) ready(world, launcher);
    next(Math.max(50, start + BEAT_MS - world.timeline.now()));
  });
}

/** The clock thread: it never touches storage. */
function watchClock(world: World, launcher: Launcher, wait: number): void {
  doLater(world, launcher, wait, "launcher's clock", () => {
    if (!launcher.treeAlive) return;
    const { selfFenceMs, graceMs } = world.plan.settings;
    const now = world.timeline.now();
    if (now - launcher.lastBeatStart > selfFenceMs) {
      world.trace.saw("a launcher fenced itself");
      launcher.killAt = Math.min(launcher.killAt, launcher.lastBeatStart + selfFenceMs + graceMs);
      askStop(world, launcher, "self_fenced", null);
    }
    if (now >= launcher.killAt) return killTree(world, launcher);
    watchClock(world, launcher, Math.max(CLOCK_TICK_MS, Math.min(5_000, launcher.lastBeatStart + selfFenceMs + 1 - now)));
  });
}

/** Stands still until then; the clock thread, which runs within half a second of the thaw, sees for how long that was. */
export function freeze(world: World, launcher: Launcher, until: number): void {
  launcher.frozenSince ??= world.timeline.now();
  launcher.frozenUntil = Math.max(launcher.frozenUntil, until);
  world.timeline.at(launcher.frozenUntil, "thaw", () => {
    if (launcher.frozenSince === null || isFrozen(world, launcher)) return;
    const since = launcher.frozenSince;
    launcher.frozenSince = null;
    const { selfFenceMs, graceMs } = world.plan.settings;
    if (world.timeline.now() - since <= selfFenceMs + CLOCK_TICK_MS || !launcher.treeAlive) return;
    launcher.isThawedDead = true;
    doLater(world, launcher, world.random("thaw").int(0, CLOCK_TICK_MS), "the clock sees the thaw", () => {
      world.trace.saw("a thawed launcher fenced itself");
      launcher.killAt = Math.min(launcher.killAt, since + selfFenceMs + graceMs);
      askStop(world, launcher, "self_fenced", null);
    });
  });
}

function askStop(world: World, launcher: Launcher, outcome: AttemptResult["outcome"], why: NonNullable<Launcher["reason"]>["why"]): void {
  if (launcher.reason !== null || !launcher.treeAlive) return;
  launcher.reason = { outcome, why };
  const random = world.random("tree");
  const { graceMs } = world.plan.settings;
  launcher.killAt = Math.min(launcher.killAt, world.timeline.now() + graceMs);
  const obeys = random.chance(0.8);
  if (obeys)
    doLater(world, launcher, random.int(50, graceMs - 1_000), "the tree obeys TERM", () => endTree(world, launcher, TERM_EXIT, null));
  doLater(world, launcher, Math.max(0, launcher.killAt - world.timeline.now()), "KILL of the tree", () => killTree(world, launcher));
}

/** The driver ended by itself; what it left is killed. */
function endTree(world: World, launcher: Launcher, code: number | null, signal: string | null): void {
  if (!launcher.treeAlive) return;
  launcher.exitCode = code;
  launcher.signal = signal;
  killTree(world, launcher);
}

/** Nothing of the attempt runs from now on. */
export function killTree(world: World, launcher: Launcher): void {
  if (!launcher.treeAlive) return;
  launcher.treeAlive = false;
  launcher.goneAt = world.timeline.now();
  if (launcher.exitCode === null && launcher.signal === null) launcher.signal = "SIGKILL";
  world.trace.note(world.timeline.now(), "tree is gone", () => launcher.submissionId);
  const free = (): void => {
    const later = releaseOf(world, launcher);
    if (later > 0) world.timeline.after(later, "a frozen node frees its GPUs", free);
  };
  world.timeline.after(world.random("release").int(200, 4_000), "ray frees the GPUs", free);
  if (launcher.alive) finish(world, launcher);
}

function finish(world: World, launcher: Launcher): void {
  const goneAt = launcher.goneAt ?? 0;
  const code = launcher.exitCode ?? TERM_EXIT;
  const giveUpAt = goneAt + world.plan.settings.selfFenceMs + 10_000;
  const cutUntil = launcher.machine.cutFromStorageUntil;
  if (cutUntil > giveUpAt) {
    // The write hangs; the process gives up, but what the kernel was given may still arrive.
    doLater(world, launcher, giveUpAt - world.timeline.now(), "launcher gives up its result", () => exit(world, launcher, code));
    if (world.random("late result").chance(0.7))
      world.timeline.at(cutUntil + 500, "a late result", () => {
        if (launcher.machine.up) tell(world, launcher);
      });
    return;
  }
  io(world, launcher, "launcher writes its result", () => {
    if (isOn(world, "storage.full")) {
      if (world.timeline.now() > giveUpAt) return exit(world, launcher, code);
      doLater(world, launcher, 1_000, "launcher tries its result again", () => finish(world, launcher));
      return;
    }
    tell(world, launcher);
    exit(world, launcher, code);
  });
}

function tell(world: World, launcher: Launcher): void {
  const directory = world.directories.get(launcher.submissionId);
  if (directory === undefined || directory.files.result?.nonce === launcher.nonce) return;
  const { reason } = launcher;
  const startedAt = EPOCH_MS + (launcher.claimedAt ?? 0) + launcher.machine.clockOffsetMs;
  const notStarted = launcher.plan.end === "not_started" && launcher.workStartedAt === null && reason === null;
  writeResult(world, directory, {
    nonce: launcher.nonce,
    outcome: notStarted ? "not_started" : (reason?.outcome ?? "exited"),
    exitCode: notStarted ? null : launcher.exitCode,
    signal: launcher.signal,
    stopWhy: reason?.why ?? null,
    oomKill: launcher.oomKill,
    startedAt: new Date(startedAt).toISOString(),
    endedAt: wallText(world, launcher.machine),
    error: notStarted ? "a path of the spec leaves /private/common" : null,
  });
  world.trace.note(world.timeline.now(), "RESULT", () => `${launcher.submissionId} ${JSON.stringify(directory.files.result)}`);
}

/** The first beat is through: the driver, held until now, goes on. */
function ready(world: World, launcher: Launcher): void {
  if (launcher.plan.end === "not_started") return killTree(world, launcher);
  doLater(world, launcher, world.random("trainer").int(500, 8_000), "the trainer asks for its GPUs", () => askForGpus(world, launcher));
}

function askForGpus(world: World, launcher: Launcher): void {
  if (!launcher.treeAlive || launcher.reason !== null) return;
  if (acquireGang(world, launcher)) {
    launcher.workStartedAt = world.timeline.now();
    doLater(world, launcher, launcher.plan.runMs, "the trainer ends", () => endTrainer(world, launcher));
    return;
  }
  if (launcher.isReinforcement && freeInAll(world, launcher) < launcher.nodes * launcher.gpusPerNode) {
    world.trace.saw("verl found too few GPUs");
    log(world, launcher, "ValueError: Total available GPUs 0.0 is less than total desired GPUs 1.0");
    endTree(world, launcher, 1, null);
    return;
  }
  world.trace.saw("a gang waits for its placement");
  doLater(world, launcher, 3_000, "the placement is tried again", () => askForGpus(world, launcher));
}

function endTrainer(world: World, launcher: Launcher): void {
  if (!launcher.treeAlive || launcher.reason !== null || launcher.hangs) return;
  world.trace.saw(`trainer ${launcher.plan.end}`);
  switch (launcher.plan.end) {
    case "ok":
      return endTree(world, launcher, 0, null);
    case "user_error":
      log(world, launcher, "KeyError: 'prompt'");
      return endTree(world, launcher, 1, null);
    case "cuda_oom":
      log(world, launcher, "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB");
      return endTree(world, launcher, 1, null);
    case "node_trouble":
      log(world, launcher, "RuntimeError: something that no rule knows");
      return endTree(world, launcher, 1, null);
    case "host_oom":
      launcher.oomKill = true;
      return endTree(world, launcher, null, "SIGKILL");
    case "killed":
      return endTree(world, launcher, null, "SIGKILL");
    case "hang":
      launcher.hangs = true;
      return;
    case "not_started":
      return;
  }
}

/** A part of the gang died: the driver fails, or hangs where it should fail. */
export function losePart(world: World, launcher: Launcher): void {
  if (!launcher.treeAlive || launcher.hangs) return;
  const random = world.random("lost part");
  launcher.hangs = true;
  if (random.chance(0.3)) {
    world.trace.saw("verl hangs on a lost part");
    return;
  }
  doLater(world, launcher, random.int(1_000, 30_000), "the driver misses a part", () => {
    if (launcher.reason !== null) return;
    log(world, launcher, "ray.exceptions.ActorDiedError: The actor died unexpectedly before finishing this task.");
    endTree(world, launcher, 1, null);
  });
}

function log(world: World, launcher: Launcher, line: string): void {
  const directory = world.directories.get(launcher.submissionId);
  if (directory !== undefined) directory.log += `${line}\n`;
}

export function sigterm(world: World, launcher: Launcher): void {
  doLater(world, launcher, 10, "SIGTERM", () => {
    if (launcher.claimedAt === null) exit(world, launcher, TERM_EXIT);
    else askStop(world, launcher, "stopped", null);
  });
}

/** In a namespace the tree dies with its pid 1. Outside of one the inner process gets TERM and still ends the tree, unless it dies too. */
export function sigkill(world: World, launcher: Launcher): void {
  if (!launcher.alive) return;
  if (launcher.containment === "group" && launcher.treeAlive && world.random("orphan").chance(0.7)) {
    askStop(world, launcher, "stopped", null);
    return;
  }
  exit(world, launcher, 137);
  if (launcher.containment === "group" && launcher.treeAlive) world.trace.saw("a tree outlives its launcher");
  else killTree(world, launcher);
}

/** The inner process is killed and the outer one tells the end in its place. */
export function sigkillInner(world: World, launcher: Launcher): void {
  if (!launcher.alive || launcher.claimedAt === null) return;
  endTree(world, launcher, null, "SIGKILL");
}
