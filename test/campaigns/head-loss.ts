/**
 * The part of the campaign `head-loss` that runs on the tree under test: rounds of test/support/head-loss-round.ts, in clusters of their own, until
 * the time is over. Each round is one JSON line.
 *
 *     node test/campaigns/head-loss.ts --from N --minutes M --jobs J
 */
import { parseArgs } from "node:util";
import {
  type HeadLossWorld,
  headLossRound,
  openHeadLossWorld,
  type Pace,
  type RoundOutcome,
  type RoundPlan,
} from "../support/head-loss-round.ts";
import { pythonFrom } from "../support/real-ray.ts";
import { endServerProcesses } from "../support/server-process.ts";
import { type Draw, drawFrom } from "./random.ts";

export type HeadLossLine = RoundOutcome & {
  readonly round: number;
  readonly pace: Pace;
  readonly contained: boolean;
  readonly rayVersion: string;
};

/** One cluster after the other, each for some rounds. Ray's default time-outs make a round three times as long. */
const WORLDS: readonly { readonly pace: Pace; readonly contained: boolean; readonly rounds: number }[] = [
  { pace: "short", contained: true, rounds: 6 },
  { pace: "default", contained: true, rounds: 2 },
  { pace: "short", contained: false, rounds: 4 },
  { pace: "default", contained: false, rounds: 1 },
];

const { values } = parseArgs({
  options: {
    from: { type: "string", default: "1" },
    minutes: { type: "string", default: "10" },
    jobs: { type: "string", default: "1" },
  },
});
const until = performance.now() + Number(values.minutes) * 60_000;
let next = Number(values.from);
let worlds = Number(values.from);

// One lane that fails must not leave the other's cluster behind.
const lanes = await Promise.allSettled(Array.from({ length: Number(values.jobs) }, () => lane()));
await endServerProcesses();
for (const outcome of lanes) {
  if (outcome.status === "fulfilled") continue;
  console.error(outcome.reason);
  process.exitCode = 1;
}

async function lane(): Promise<void> {
  while (performance.now() < until) {
    const kind = WORLDS[worlds % WORLDS.length];
    worlds += 1;
    if (kind === undefined) return;
    const world = await openHeadLossWorld(pythonFrom("VERLPOOL_TEST_PYTHON"), kind.pace, kind.contained);
    try {
      for (let done = 0; done < kind.rounds && performance.now() < until; done += 1) await oneRound(world);
    } finally {
      await world.close();
    }
  }
}

async function oneRound(world: HeadLossWorld): Promise<void> {
  const round = next;
  next += 1;
  const outcome = await headLossRound(world, planOf(drawFrom(round), world));
  const { pace, contained } = world;
  const line: HeadLossLine = { round, pace, contained, rayVersion: world.cluster.rayVersion, ...outcome };
  console.log(JSON.stringify(line));
}

/** Drivers that are Ray drivers need their node's namespace to find their raylet; without one only those that are not are tried. */
function planOf(draw: Draw, { pace, contained }: HeadLossWorld): RoundPlan {
  const ray = (): "none" | "actors" => (contained && draw.chance(0.5) ? "actors" : "none");
  const early = draw.chance(0.2);
  return {
    tasks: [
      { ray: ray(), nnodes: 1, gpus: 1 },
      { ray: ray(), nnodes: draw.chance(0.5) ? 2 : 1, gpus: 2 },
    ],
    from: early ? "submission" : "running",
    killAfterMs: draw.below(early ? 4_000 : 8_000),
    outageMs: draw.below(pace === "short" ? 12_000 : 40_000),
    againAfterMs: draw.chance(0.25) ? draw.below(20_000) : null,
  };
}
