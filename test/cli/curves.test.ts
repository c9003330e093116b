import { expect, test } from "vitest";
import type { CurvesWire } from "../../src/contract/insight.ts";
import { cliWorld, type FakeCall, TASK_ID, taskWire } from "../support/cli-world.ts";

type Segment = NonNullable<CurvesWire["line"]>["segments"][number];

const segment = (attempt: number, from_step: number, to_step: number): Segment => ({
  submission_id: `${TASK_ID}--a0${attempt}`,
  task_id: TASK_ID,
  attempt,
  from_step,
  to_step,
  source: "file",
});

type Steps = { readonly [step: number]: { readonly [key: string]: number } };

/** A server that gives at most two steps a page. */
function page(steps: Steps, segments: readonly Segment[], call: FakeCall): { readonly json: CurvesWire } {
  const keys = [...new Set(Object.values(steps).flatMap((data) => Object.keys(data)))].toSorted();
  const after = Number(call.query["after_step"] ?? -1);
  const shown = Object.keys(steps)
    .map(Number)
    .filter((step) => step > after)
    .slice(0, 2);
  const series = Object.fromEntries(keys.map((key) => [key, shown.map((step) => steps[step]?.[key] ?? null)]));
  const next_after_step = shown.at(-1) ?? null;
  return {
    json: { attempts: [], line: { steps: shown, series, segments: [...segments] }, keys, every: 1, complete: true, next_after_step },
  };
}

const STEPS: Steps = {
  1: { "critic/score/mean": 0.1, "=cmd|x": 1 },
  2: { "critic/score/mean": 0.2 },
  3: { "critic/score/mean": 0.3, "val/x": 7 },
  4: { "critic/score/mean": 0.4 },
};
const readCurves = (call: FakeCall) => page(STEPS, [segment(1, 1, 2), segment(2, 3, 4)], call);

test("curves --csv has a row a step with the attempt that did it, and no cell that a spreadsheet takes for a formula", async () => {
  const cli = cliWorld({ routes: { readCurves } });
  expect(await cli.run("curves", "3d4c", "--csv")).toBe(0);
  expect(cli.stdout()).toBe("attempt,step,'=cmd|x,critic/score/mean,val/x\n1,1,1,0.1,\n1,2,,0.2,\n2,3,,0.3,7\n2,4,,0.4,\n");
});

test("curves draws what people look at first as one line, says where an attempt went on, and names the rest", async () => {
  const cli = cliWorld({ routes: { readCurves } });
  expect(await cli.run("curves", "3d4c")).toBe(0);
  expect(cli.stdout()).toContain("critic/score/mean  0.1 → 0.4, 4 steps");
  expect(cli.stdout()).toMatch(/[\u2801-\u28ff]/);
  expect(cli.stderr()).toContain("attempt 2 goes on at step 3");
  expect(cli.stderr()).toContain("more with --key: =cmd|x, val/x");
});

test("curves --json gives all pages as one object; --key is sent; --keys lists what there is", async () => {
  const cli = cliWorld({ routes: { readCurves } });
  expect(await cli.run("curves", "3d4c", "--key", "a", "--key", "b", "--json")).toBe(0);
  expect(cli.calls[0]?.query).toMatchObject({ key: ["a", "b"], view: "line" });
  expect(JSON.parse(cli.stdout())).toMatchObject({ steps: [1, 2, 3, 4], series: { "critic/score/mean": [0.1, 0.2, 0.3, 0.4] } });
  const keys = cliWorld({ routes: { readCurves } });
  expect(await keys.run("curves", "3d4c", "--keys")).toBe(0);
  expect(keys.stdout()).toBe("=cmd|x\ncritic/score/mean\nval/x\n");
});

test("curves of a task without metrics says so; two forms at once are a usage error", async () => {
  const cli = cliWorld({ routes: { readCurves: (call: FakeCall) => page({}, [], call) } });
  expect(await cli.run("curves", "3d4c")).toBe(0);
  expect(cli.stderr()).toContain("no metrics yet");
  expect(await cliWorld().run("curves", "3d4c", "--csv", "--json")).toBe(2);
});

/** The run grows with each look, and from the third on attempt 2 has gone on from step 2. */
function growing() {
  let look = 0;
  return {
    getTask: () => {
      look += 1;
      return { json: taskWire({ state: look >= 4 ? "SUCCEEDED" : "RUNNING" }) };
    },
    readCurves: (call: FakeCall) => {
      const first = { 1: { loss: 1 }, 2: { loss: 2 }, 3: { loss: 3 } };
      if (look === 1) return page({ 1: { loss: 1 }, 2: { loss: 2 } }, [segment(1, 1, 2)], call);
      if (look === 2) return page(first, [segment(1, 1, 3)], call);
      const again: Steps = { ...first, 3: { loss: 30 } };
      const more: Steps = { ...again, 4: { loss: 40, "val/loss": 4 } };
      return page(look === 3 ? again : more, [segment(1, 1, 2), segment(2, 3, look === 3 ? 3 : 4)], call);
    },
  };
}

test("curves -f --csv prints a step once it is over, and again when a later attempt has done it again", async () => {
  const cli = cliWorld({ routes: growing() });
  expect(await cli.run("curves", "3d4c", "-f", "--csv")).toBe(0);
  expect(cli.stdout()).toBe("attempt,step,loss\n1,1,1\n1,2,2\n2,3,30\n2,4,40\n");
  expect(cli.stderr()).toContain("SUCCEEDED");
});

test("curves -f --json ends with the line as it is", async () => {
  const cli = cliWorld({ routes: growing() });
  expect(await cli.run("curves", "3d4c", "--watch", "--json")).toBe(0);
  const objects = cli
    .stdout()
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as { steps: number[]; series: { [key: string]: (number | null)[] } });
  expect(objects.at(-1)).toMatchObject({
    steps: [1, 2, 3, 4],
    series: { loss: [1, 2, 30, 40], "val/loss": [null, null, null, 4] },
  });
});
