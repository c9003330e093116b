/** Three hosts of one machine (test/support/netns.ts) with the product's own agents and real Ray, twice side by side: as root, and as a user without any capability. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CHAPTERS, type Chapter, closeStory, type Measure, openStory, type Story, tell } from "../support/healing-story.ts";
import type { Privilege } from "../support/pool-world.ts";
import { pythonFrom } from "../support/real-ray.ts";

const PRIVILEGES: readonly Privilege[] = ["root", "ordinary"];
const stories: Story[] = [];
const outcomes = new Map<string, PromiseWithResolvers<void>>();

for (const privilege of PRIVILEGES) {
  for (const chapter of CHAPTERS) {
    const outcome = Promise.withResolvers<void>();
    // Told by the test of that chapter.
    outcome.promise.catch(() => undefined);
    outcomes.set(`${privilege} ${chapter}`, outcome);
  }
}

beforeAll(() => {
  for (const privilege of PRIVILEGES) void run(privilege);
});

afterAll(async () => {
  const measures = stories.map(({ world, measures: all }) => ({ privilege: world.privilege, all }));
  console.log(tableOf(measures));
  await Promise.all(stories.map((story) => closeStory(story)));
});

/** One pool through all chapters. After one that failed the rest is told only if the pool became whole all the same. */
async function run(privilege: Privilege): Promise<void> {
  let story: Story | null = null;
  for (const chapter of CHAPTERS) {
    const outcome = outcomes.get(`${privilege} ${chapter}`);
    try {
      if (story === null) {
        story = await openStory(pythonFrom("VERLPOOL_TEST_PYTHON"), privilege);
        stories.push(story);
      }
      await tell(story, chapter);
      outcome?.resolve();
    } catch (error) {
      outcome?.reject(error);
    }
  }
}

const TITLES: { readonly [chapter in Chapter]: string } = {
  join: "two workers find the head and join",
  "head killed, memory kept": "a killed head comes back, its job goes on and no worker restarts",
  "worker's agent killed, raylet killed": "a killed agent and a killed raylet are back, and nothing of them is left",
  "head lost with its memory": "every worker joins a head that came back empty",
  "partition, frozen agent, frozen raylet": "a partition, an agent and a raylet that stood still need no help",
  "head moved to another machine": "every worker follows the head to another address",
  "a round of the campaign": "a round of random faults leaves the pool whole",
  "all are asked to end": "agents that are asked to end leave no process",
};

describe.each(PRIVILEGES)("a pool on three hosts, %s", (privilege) => {
  test.each(CHAPTERS.map((chapter) => [TITLES[chapter], chapter] as const))("%s", async (_, chapter) => {
    await expect(outcomes.get(`${privilege} ${chapter}`)?.promise).resolves.toBeUndefined();
  });
});

function tableOf(stories: readonly { readonly privilege: Privilege; readonly all: readonly Measure[] }[]): string {
  const rows = stories.flatMap(({ privilege, all }) =>
    all.map(({ what, since, seconds }) => `| ${what} | ${since} | ${privilege} | ${seconds} |`),
  );
  return ["| fault | seconds from | as | s |", "|---|---|---|---|", ...rows].join("\n");
}
