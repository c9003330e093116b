import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { removeLeftovers, sha256, stepRunner, type PrepareEvent, type Step } from "./steps.ts";

let dir = "";
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "verlpool-steps-"));
});
afterEach(() => rm(dir, { recursive: true, force: true }));

function runner(events: PrepareEvent[] = [], signal = new AbortController().signal) {
  let ms = 0;
  return stepRunner(
    join(dir, "stamps"),
    (event) => void events.push(event),
    () => (ms += 1500),
    signal,
  );
}

/** A step that writes one file and counts its runs. */
function fileStep(runs: { count: number }, inputs: readonly string[] = ["v1"]): Step {
  const output = join(dir, "output");
  const run = async () => {
    runs.count += 1;
    await writeFile(output, "made");
  };
  return { name: "demo", will: "make it", result: output, inputs, outputs: [output], run };
}

describe("a step", () => {
  test("says what it will do, does it, and says how long it took", async () => {
    const events: PrepareEvent[] = [];
    await runner(events)(fileStep({ count: 0 }));
    expect(events).toEqual([
      { kind: "started", step: "demo", text: "make it" },
      { kind: "done", step: "demo", seconds: 1.5, reused: false, text: join(dir, "output") },
    ]);
  });

  test("is done once for the same inputs, and again for others", async () => {
    const runs = { count: 0 };
    await runner()(fileStep(runs));
    expect(await runner()(fileStep(runs))).toMatchObject({ reused: true });
    expect(runs.count).toBe(1);
    expect(await runner()(fileStep(runs, ["v2"]))).toMatchObject({ reused: false });
    expect(runs.count).toBe(2);
  });

  test("with a stamp of its own is still done after another version was made beside it", async () => {
    const version = (name: string): Step => {
      const place = join(dir, name);
      return {
        ...fileStep({ count: 0 }, [name]),
        outputs: [place],
        stamp: join(place, ".complete"),
        run: () => mkdir(place),
      };
    };
    await runner()(version("v1"));
    await runner()(version("v2"));
    expect(await runner()(version("v1"))).toMatchObject({ reused: true });
  });

  test("is done again when somebody deleted its output", async () => {
    const runs = { count: 0 };
    await runner()(fileStep(runs));
    await rm(join(dir, "output"));
    await runner()(fileStep(runs));
    expect(runs.count).toBe(2);
  });

  test("that failed after its output appeared has no stamp and is done again", async () => {
    const runs = { count: 0 };
    await runner()(fileStep(runs));
    const broken = fileStep(runs, ["v2"]);
    const fails = async () => {
      await broken.run();
      throw new Error("the disk is full");
    };
    await expect(runner()({ ...broken, run: fails })).rejects.toThrow("the disk is full");
    // Back to the first inputs: the old stamp must not vouch for what the failed run left.
    expect(await runner()(fileStep(runs))).toMatchObject({ reused: false });
  });

  test("leaves no stamp when the run was aborted meanwhile", async () => {
    const abort = new AbortController();
    const runs = { count: 0 };
    const step = fileStep(runs);
    const aborts = async () => {
      await step.run();
      abort.abort(new Error("interrupted"));
    };
    await expect(runner([], abort.signal)({ ...step, run: aborts })).rejects.toThrow("interrupted");
    expect(await runner()(step)).toMatchObject({ reused: false });
  });
});

test("the hash of inputs depends on where one ends and the next begins", () => {
  expect(sha256("ab", "c")).not.toBe(sha256("a", "bc"));
});

test("what a killed run left beside its target is removed, and nothing else", async () => {
  const target = join(dir, "verl-0.9.1");
  for (const name of ["verl-0.9.1", "verl-0.9.1.making-7", ".verl-0.9.1.old-7", ".verl-0.9.1.making-8", "verl-0.9.10.making-7"])
    await mkdir(join(dir, name));
  await removeLeftovers(target);
  expect((await readdir(dir)).toSorted()).toEqual(["verl-0.9.1", "verl-0.9.10.making-7"]);
  await removeLeftovers(join(dir, "absent", "name"));
  expect(existsSync(join(dir, "absent"))).toBe(false);
});
