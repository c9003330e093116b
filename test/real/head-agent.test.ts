import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { chooseFreePorts } from "../../src/pool/free-ports.ts";
import { isPortOpen } from "../../src/pool/port-open.ts";
import { findTagged } from "../../src/pool/tagged-processes.ts";
import { headJson, type HeadPlace, type HeadProcess, startHeadProcess } from "../support/head-process.ts";
import { pythonFrom } from "../support/real-ray.ts";

const PATIENCE = { timeout: 240_000, interval: 100 };

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

function start(place: HeadPlace, ...more: readonly string[]): HeadProcess {
  const head = startHeadProcess(place, ...more);
  cleanups.push(() => head.end("SIGKILL"));
  return head;
}

function processesOf(head: HeadProcess, name: string): readonly number[] {
  return findTagged(head.tag())
    .filter(({ argv }) => argv.some((word) => word.includes(name)))
    .map(({ pid }) => pid);
}

/** Until the health page says so; fails with what the agent said. */
async function says(head: HeadProcess, wanted: object): Promise<void> {
  await expect
    .poll(async () => ({ health: await head.health(), said: head.output().slice(-2_000) }), PATIENCE)
    .toMatchObject({ health: wanted });
}

test("a head is kept alive with its memory, stands by while another lives, takes over by word, and steps down", async () => {
  const root = mkdtempSync(join(tmpdir(), "head-agent-"));
  cleanups.push(() => rmSync(root, { recursive: true, force: true }));
  const python = pythonFrom("VERLPOOL_TEST_PYTHON");
  const [p1 = 0, p2 = 0, p3 = 0, p4 = 0, p5 = 0, p6 = 0] = await chooseFreePorts(6, process.pid * 7);
  const place = { root, python };
  const first: HeadPlace = {
    ...place,
    stateDir: join(root, "state-1"),
    nodeIp: "127.0.0.2",
    rayPort: p1,
    dashboardPort: p2,
    healthPort: p3,
  };
  const second: HeadPlace = {
    ...place,
    stateDir: join(root, "state-2"),
    nodeIp: "127.0.0.3",
    rayPort: p4,
    dashboardPort: p5,
    healthPort: p6,
  };

  let one = start(first);
  await says(one, { state: "head", ray_up: true, epoch: 1 });
  const session = (await one.health())?.["session"];
  const up = { state: "up", epoch: 1, released: false, cluster: "c1", session, ray_version: "2.60.0", mac: null };
  const where = { address: `127.0.0.2:${p1}`, dashboard_url: `http://127.0.0.2:${p2}` };
  await expect.poll(() => headJson(root), PATIENCE).toMatchObject({ ...up, ...where });

  // Its GCS dies: it is started again and knows what it knew.
  for (const pid of processesOf(one, "gcs_server")) process.kill(pid, "SIGKILL");
  await says(one, { ray_starts: 2, ray_up: true, session });

  // Its agent dies: Ray dies with it at once, and the next agent has the same memory.
  const tag = one.tag();
  expect(findTagged(tag).length).toBeGreaterThan(3);
  await one.end("SIGKILL");
  await expect.poll(() => findTagged(tag), { timeout: 10_000 }).toEqual([]);
  expect(headJson(root)).toMatchObject({ epoch: 1, released: false });
  one = start(first);
  await says(one, { state: "head", ray_up: true, epoch: 2, session });

  // Another agent stands by while this one lives, and starts nothing.
  let two = start(second);
  await says(two, { state: "standing_by", epoch: null });
  const seq = Number(headJson(root)?.["seq"]);
  await expect.poll(() => Number(headJson(root)?.["seq"]), PATIENCE).toBeGreaterThan(seq + 1);
  expect(await two.health()).toMatchObject({ state: "standing_by" });
  expect(findTagged(two.tag())).toEqual([]);
  expect(await two.end("SIGTERM")).toBe(0);

  // By the operator's word it takes over, and the first one steps down, its Ray dead, and stands by.
  two = start(second, "--take-over");
  await says(one, { state: "standing_by", ray_up: false });
  expect(findTagged(tag)).toEqual([]);
  await says(two, { state: "head", ray_up: true, epoch: 3 });
  await expect.poll(() => headJson(root), PATIENCE).toMatchObject({ state: "up", epoch: 3, address: `127.0.0.3:${p4}` });
  expect(headJson(root)?.["session"]).not.toBe(session);

  expect(await one.end("SIGTERM")).toBe(0);
  expect(await two.end("SIGTERM")).toBe(0);
  expect(headJson(root)).toMatchObject({ epoch: 3, released: true });
  for (const head of [one, two]) {
    expect(findTagged(head.tag())).toEqual([]);
    expect(existsSync(`/tmp/vp-${head.tag()}`)).toBe(false);
  }
  expect(await isPortOpen(`127.0.0.3:${p4}`)).toBe(false);
  expect(readFileSync(join(root, "common/logs/head.log"), "utf8")).toContain('"msg":"this agent is head now"');
});
