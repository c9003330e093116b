/**
 * One server process: the real scheduler loop and use cases over ports whose every call takes virtual time. It can be killed at any await (its
 * promises never resolve), stand still and go on, and be told a wrong wall clock.
 */
import type { Clock, Log } from "../../src/control/ports.ts";
import type { SchedulerDeps } from "../../src/control/scheduler/context.ts";
import { schedulerLoop } from "../../src/control/scheduler/loop.ts";
import { queueOrder } from "../../src/control/usage.ts";
import { randomOf } from "../engine/random.ts";
import { violate } from "../invariants/violate.ts";
import { nodeFilesPort } from "./node-files-port.ts";
import { commandSource } from "./command-source.ts";
import { jobFilesPort } from "./files-port.ts";
import { EPOCH_MS, newId, type Server, type World } from "./model.ts";
import { rayClusterPort, rayJobsPort } from "./ray-port.ts";
import { storePort } from "./store-port.ts";

/** An error that no fault explains: the code met a state that it says cannot be. */
const BUG =
  /TypeError|RangeError|ReferenceError|SqliteError|constraint|cannot move from|report this as a bug|has no attempt|would not be newer|can wait for nothing/;

class Killed extends Error {
  override readonly name = "Killed";
}

/** What a call to the world is given: `effect` happens at its instant, `answer` after it. */
export type Call<T> = {
  readonly name: string;
  readonly ms: number;
  readonly effect: () => T | Promise<T>;
  /** Whether what was sent goes on without its sender. */
  readonly outlives: boolean;
  readonly answerMs?: number;
};

export function startServer(world: World, slot: number): Server {
  const stop = new AbortController();
  const name = newId(world, `server${slot + 1}-`);
  const clock = clockOf(world, () => server);
  const store = storePort(world, () => server);
  const deps: SchedulerDeps = {
    store,
    files: jobFilesPort(world, () => server),
    // The account of GPU time is no part of what is simulated.
    logs: { times: () => Promise.resolve([]) },
    nodeFiles: nodeFilesPort(world, () => server),
    ray: rayJobsPort(world, () => server),
    cluster: rayClusterPort(world, () => server),
    commands: commandSource(world),
    order: queueOrder({ store, clock }, world.plan.settings),
    clock,
    ids: idsOf(world, name),
    log: logOf(world, name),
    meters: { tick: () => undefined, attemptEnded: () => undefined, queueWait: () => undefined },
    failpoint: (point) => {
      if (!server.alive) throw new Killed(point);
      world.trace.saw(`failpoint ${point}`);
      if (server.failpoint !== point) return;
      world.trace.saw(`killed at ${point}`);
      killServer(world, server, `failpoint ${point}`);
      throw new Killed(point);
    },
    paceOf: () => null,
    stalls: { factor: 10, minMs: 600_000, firstStepMs: 3_600_000, policy: "mark" },
    settings: world.plan.settings,
  };
  const server: Server = {
    name,
    slot,
    bootAt: world.timeline.now(),
    deps,
    loop: schedulerLoop(deps, name),
    stop,
    alive: true,
    pausedUntil: 0,
    heldBack: [],
    wallOffsetMs: 0,
    crashIn: null,
    failpoint: null,
    opened: null,
    nodesSeen: null,
    heldEpoch: null,
    watched: null,
  };
  world.servers.push(server);
  world.trace.note(world.timeline.now(), "server starts", () => name);
  world.touched = true;
  void server.loop.run(stop.signal).then(
    () => server.alive && killServer(world, server, "stopped in order"),
    (error: unknown) => violate(world, "LOOP", "the scheduler's loop never throws for a failing pass", `${name}: ${String(error)}`),
  );
  return server;
}

/** kill -9. What it sent may still arrive; nothing comes back. */
export function killServer(world: World, server: Server, why: string): void {
  if (!server.alive) return;
  server.alive = false;
  server.heldBack.length = 0;
  if (world.lead.holder === server) world.lead.holder = null;
  world.trace.note(world.timeline.now(), "server ends", () => `${server.name}: ${why}`);
}

/** Hands the process something to go on with, once it can run. */
export function deliver(world: World, server: Server, go: () => void): void {
  if (!server.alive) return;
  if (server.pausedUntil > world.timeline.now()) {
    server.heldBack.push(go);
    return;
  }
  world.touched = true;
  go();
}

export function resume(world: World, server: Server): void {
  if (!server.alive || server.pausedUntil > world.timeline.now()) return;
  const held = server.heldBack.splice(0);
  if (held.length > 0) world.touched = true;
  for (const go of held) go();
}

/** An await of the server on the world outside. */
export function callWorld<T>(world: World, server: Server, call: Call<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    if (!server.alive) return;
    const crash = crashNow(server);
    if (crash === "before") return killServer(world, server, `before ${call.name}`);
    const perform = async (): Promise<void> => {
      if (!server.alive && !call.outlives) return;
      const settle = await outcomeOf(call, resolve, reject);
      if (crash === "after") return killServer(world, server, `after ${call.name}`);
      if (call.answerMs === undefined) deliver(world, server, settle);
      else world.timeline.after(call.answerMs, `answer ${call.name}`, () => deliver(world, server, settle));
    };
    world.timeline.after(call.ms, call.name, perform);
  });
}

async function outcomeOf<T>(call: Call<T>, resolve: (value: T) => void, reject: (error: unknown) => void): Promise<() => void> {
  try {
    const value = await call.effect();
    return () => resolve(value);
  } catch (error) {
    return () => reject(error);
  }
}

function crashNow(server: Server): "before" | "after" | null {
  if (server.crashIn === null) return null;
  server.crashIn.calls -= 1;
  if (server.crashIn.calls > 0) return null;
  const when = server.crashIn.afterEffect ? "after" : "before";
  server.crashIn = null;
  return when;
}

function clockOf(world: World, server: () => Server): Clock {
  return {
    now: () => EPOCH_MS + world.timeline.now() + server().wallOffsetMs,
    monotonicMs: () => world.timeline.now() - server().bootAt,
    sleep: (ms, signal) =>
      new Promise((resolve, reject) => {
        if (signal.aborted) return reject(signal.reason as Error);
        const abort = (): void => {
          timer.cancel();
          reject(signal.reason as Error);
        };
        const timer = world.timeline.after(ms, "wakes", () =>
          deliver(world, server(), () => {
            signal.removeEventListener("abort", abort);
            resolve();
          }),
        );
        signal.addEventListener("abort", abort, { once: true });
      }),
  };
}

function idsOf(world: World, name: string): SchedulerDeps["ids"] {
  const random = randomOf(world.plan.seed, `ids of ${name}`);
  return { hex: (bytes) => Array.from({ length: bytes }, () => random.int(0, 255).toString(16).padStart(2, "0")).join("") };
}

function logOf(world: World, name: string): Log {
  const write = (level: string) => (fields: object, message: string) => {
    world.trace.note(world.timeline.now(), level, () => `${name}: ${message} ${JSON.stringify(fields)}`);
    if (level !== "log error") return;
    const text = JSON.stringify(fields);
    if (BUG.test(text) && !text.includes("Killed")) violate(world, "BUG", "no error in the scheduler is of its own making", text);
  };
  return { debug: () => undefined, info: () => undefined, warn: write("log warn"), error: write("log error") };
}
