/** One pool through one fault after the other, each timed from where its promise counts (docs/pool.md, Measured). */
import { submitCounter } from "./counter-job.ts";
import { identity, processesOf } from "./host-processes.ts";
import { forgetHead, hostOf, killAllOn, signalNamed } from "./pool-faults.ts";
import { readHeadText } from "./hostile-head.ts";
import { poolRound } from "./pool-round.ts";
import { type PoolEye, rayletOf, watchPool, whole } from "./pool-state.ts";
import { openPoolWorld, type PoolWorld, type Privilege } from "./pool-world.ts";
import { realClock } from "./real-ray.ts";

const WITHIN_MS = 150_000;
const BEFORE_MS = 60_000;
const PARTITION_MS = 20_000;
const FREEZE_MS = 10_000;
/** Rounds whose faults are short. */
const CI_SEED: { readonly [privilege in Privilege]: number } = { root: 12, ordinary: 15 };
const quiet = new AbortController().signal;

export const CHAPTERS = [
  "join",
  "head killed, memory kept",
  "worker's agent killed, raylet killed",
  "head lost with its memory",
  "partition, frozen agent, frozen raylet",
  "head moved to another machine",
  "a round of the campaign",
  "all are asked to end",
] as const;

export type Chapter = (typeof CHAPTERS)[number];

/** `seconds` from `since` until the pool was whole again. */
export type Measure = { readonly what: string; readonly since: string; readonly seconds: number };

export type Story = { readonly world: PoolWorld; readonly eye: PoolEye; readonly measures: Measure[] };

export async function openStory(python: string, privilege: Privilege): Promise<Story> {
  const world = await openPoolWorld(python, privilege);
  return { world, eye: watchPool(world), measures: [] };
}

export async function closeStory({ world, eye }: Story): Promise<void> {
  await eye.close();
  await world.close();
}

const TELL: { readonly [chapter in Chapter]: (story: Story) => Promise<void> } = {
  join: async (story) => {
    const { world, eye } = story;
    world.startAgent(await world.addHost("head"), "head");
    for (const name of ["worker-1", "worker-2"]) world.startAgent(await world.addHost(name), "worker");
    note(story, "two workers join", "new head.json", (await whole(world, eye, WITHIN_MS)) - eye.headSince());
  },

  "head killed, memory kept": async (story) => {
    const { world, eye } = story;
    const job = await submitCounter(eye.http, world.python, world.root, "goes-on");
    await until("the job counts", () => job.count() > 2);
    const [raylets, session] = [workerRaylets(world), eye.head()?.session];
    const killed = performance.now();
    await newHead(eye, () => killAllOn(world, "head"));
    note(story, "head killed: a new one answers", "the kill", eye.headSince() - killed);
    note(story, "head killed: all are with it", "new head.json", (await whole(world, eye, WITHIN_MS)) - eye.headSince());
    must(eye.head()?.session === session, "the head came back without its memory");
    must(workerRaylets(world) === raylets, `raylets were started again: ${raylets} became ${workerRaylets(world)}`);
    const counted = job.count();
    await until("the job counts on", () => job.count() > counted + 2);
    must(job.starts() === 1, `the job was started ${job.starts()} times`);
    must((await job.status()) === "RUNNING", `Ray says of the job: ${await job.status()}`);
  },

  "worker's agent killed, raylet killed": async (story) => {
    const { world, eye } = story;
    const killed = performance.now();
    const [agents, raylet] = [world.agentOn("worker-1").starts(), rayletOf(hostOf(world, "worker-2"))];
    world.agentOn("worker-1").signal("SIGKILL");
    signalNamed(world, "worker-2", "raylet", "SIGKILL");
    const again = whole(world, eye, WITHIN_MS, () => (world.agentOn("worker-1").starts() > agents ? [] : ["the agent is not back"]));
    const other = whole(world, eye, WITHIN_MS, () => (rayletOf(hostOf(world, "worker-2")) === raylet ? ["the old raylet lives"] : []));
    note(story, "worker's agent killed", "the kill", (await again) - killed);
    note(story, "worker's raylet killed", "the kill", (await other) - killed);
  },

  "head lost with its memory": async (story) => {
    const { world, eye } = story;
    const session = eye.head()?.session;
    await newHead(eye, () => forgetHead(world, "head"));
    note(
      story,
      "head lost with its memory: all are with the new one",
      "new head.json",
      (await whole(world, eye, WITHIN_MS)) - eye.headSince(),
    );
    must(eye.head()?.session !== session, "the memory of the head was to be gone");
  },

  "partition, frozen agent, frozen raylet": async (story) => {
    const { world, eye } = story;
    const partition = async (): Promise<void> => {
      hostOf(world, "worker-1").cut();
      await realClock.sleep(PARTITION_MS, quiet);
      hostOf(world, "worker-1").heal();
    };
    const freezes = async (): Promise<void> => {
      world.agentOn("worker-2").signal("SIGSTOP");
      await realClock.sleep(FREEZE_MS, quiet);
      world.agentOn("worker-2").signal("SIGCONT");
      signalNamed(world, "worker-2", "raylet", "SIGSTOP");
      await realClock.sleep(FREEZE_MS, quiet);
      signalNamed(world, "worker-2", "raylet", "SIGCONT");
    };
    await Promise.all([partition(), freezes()]);
    const healed = performance.now();
    const what = "worker cut off for 20 s; another one's agent frozen for 10 s, then its raylet";
    note(story, what, "the end of all that", (await whole(world, eye, WITHIN_MS)) - healed);
  },

  "head moved to another machine": async (story) => {
    const { world, eye } = story;
    world.startAgent(await world.addHost("spare"), "head");
    await newHead(eye, () => world.stopAgent("head", "SIGTERM"));
    note(story, "head moved to a new address", "new head.json", (await whole(world, eye, WITHIN_MS)) - eye.headSince());
    const { address } = hostOf(world, "spare");
    must(eye.head()?.address.startsWith(`${address}:`) ?? false, `the head is not on ${address}`);
    world.startAgent(hostOf(world, "head"), "head");
  },

  "a round of the campaign": async (story) => {
    const { world, eye } = story;
    const arena = { world, eye, ports: new Map<string, number>(), stale: readHeadText(world.discoveryDir) };
    const round = await poolRound(arena, { seed: CI_SEED[world.privilege], long: false, withinMs: WITHIN_MS });
    must(round.violations.length === 0, `${round.faults.join("; ")}: ${round.violations.join("\n")}`);
    story.measures.push({ what: round.faults.join("; "), since: "the end of the fault", seconds: round.seconds });
  },

  "all are asked to end": async (story) => {
    const { world } = story;
    const asked = performance.now();
    await Promise.all(world.agents().map(({ host }) => world.stopAgent(host.name, "SIGTERM")));
    note(story, "all agents asked to end", "the signal", performance.now() - asked);
    const left = [...processesOf(world.hosts()).values()].flat();
    must(left.length === 0, `left are: ${left.map((process) => `${identity(process)} ${process.argv.slice(0, 80)}`).join("\n")}`);
  },
};

/** Never were two raylets seen on one host at a time. Throws with what the agents said. */
export async function tell(story: Story, chapter: Chapter): Promise<void> {
  const { world, eye } = story;
  try {
    if (chapter !== CHAPTERS[0]) await whole(world, eye, BEFORE_MS);
    await TELL[chapter](story);
    const doubles = eye.takeDoubles();
    must(doubles.length === 0, `two raylets at a time on ${doubles.join(", ")}`);
  } catch (error) {
    throw new Error(`${world.privilege}, ${chapter}: ${String(error)}\n${world.story()}`, { cause: error });
  }
}

function workerRaylets(world: PoolWorld): string {
  return ["worker-1", "worker-2"].map((name) => rayletOf(hostOf(world, name))).join("; ");
}

async function newHead(eye: PoolEye, fault: () => void | Promise<void>): Promise<void> {
  const before = eye.headKey();
  await fault();
  await until("there is a new head.json", () => eye.headKey() !== before);
}

async function until(what: string, isSo: () => boolean): Promise<void> {
  const deadline = performance.now() + WITHIN_MS;
  while (!isSo()) {
    must(performance.now() < deadline, `not within ${WITHIN_MS} ms: ${what}`);
    await realClock.sleep(100, quiet);
  }
}

function must(isSo: boolean, otherwise: string): void {
  if (!isSo) throw new Error(otherwise);
}

function note(story: Story, what: string, since: string, ms: number): void {
  story.measures.push({ what, since, seconds: Math.round(ms / 100) / 10 });
}
