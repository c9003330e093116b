import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { CLEAN_LIMITS, dirtOf, type NodeFacts } from "./clean-node.ts";
import { parseSurvey, parseXids, readGpus } from "./gpus.ts";

const dirs: string[] = [];
afterEach(() => dirs.splice(0).forEach((dir) => rmSync(dir, { recursive: true, force: true })));
const quiet = new AbortController().signal;

/** A PATH whose nvidia-smi is this script. */
function fakeSmi(script: string): NodeJS.ProcessEnv {
  const dir = mkdtempSync(join(tmpdir(), "smi-"));
  dirs.push(dir);
  const file = join(dir, "nvidia-smi");
  writeFileSync(file, `#!/bin/sh\n${script}\n`);
  chmodSync(file, 0o755);
  return { PATH: `${dir}:/usr/bin:/bin` };
}

const CSV = [
  "0, GPU-aaaa, NVIDIA H100 80GB HBM3, 97, 70000, 81559, 0",
  "1, GPU-bbbb, NVIDIA H100 80GB HBM3, 0, 4, 81559, 2",
  "2, GPU-cccc, NVIDIA GeForce, [N/A], 300, [Unknown Error], [N/A]",
].join("\n");

test("nvidia-smi is asked for the GPUs, their load and what holds them", async () => {
  const env = fakeSmi(`case "$1" in --query-gpu=*) printf '%s\\n' "${CSV}";; *) printf '4711\\n4712\\n4711\\n';; esac`);
  expect(await readGpus(env, quiet)).toEqual({ kind: "ok", survey: parseSurvey(CSV, "4711\n4712\n4711\n") });
  const { usage, busyPids, eccErrors } = parseSurvey(CSV, "4711\n4712\n4711\n");
  expect(usage.map((gpu) => [gpu.index, gpu.uuid, gpu.utilizationPercent, gpu.memoryUsedMib, gpu.memoryTotalMib])).toEqual([
    [0, "GPU-aaaa", 97, 70_000, 81_559],
    [1, "GPU-bbbb", 0, 4, 81_559],
    [2, "GPU-cccc", null, 300, null],
  ]);
  expect(busyPids).toEqual([4711, 4712]);
  expect([...eccErrors]).toEqual([["GPU-bbbb", 2]]);
});

test("no nvidia-smi is a machine without GPUs; one that fails is a driver in trouble", async () => {
  expect(await readGpus({ PATH: "/nonexistent" }, quiet)).toEqual({ kind: "absent" });
  const failing = await readGpus(fakeSmi("echo 'NVIDIA-SMI has failed because it could not communicate'; exit 9"), quiet);
  expect(failing).toEqual({ kind: "failed", error: "NVIDIA-SMI has failed because it could not communicate" });
});

test("hardware Xids of the last day are found in the kernel's log, and an application's own are not", () => {
  const log = [
    "<3>[ 1000.123456] NVRM: Xid (PCI:0000:3b:00): 79, pid='<unknown>', GPU has fallen off the bus.",
    "<3>[90000.5] NVRM: Xid (PCI:0000:3b:00): 31, pid=4711, MMU Fault",
    "[90001.5] NVRM: Xid (PCI:0000:af:00): 94, Contained ECC error.",
    "<6>[90002.0] eth0: link up",
  ].join("\n");
  expect(parseXids(log, 95_000, 86_400)).toEqual([{ xid: 94, bus: "0000:af:00" }]);
  expect(parseXids(log, 80_000, 86_400).map((one) => one.xid)).toEqual([79, 94]);
});

const clean: NodeFacts = {
  gpus: { kind: "ok", survey: parseSurvey("0, GPU-a, H100, 0, 4, 81559, 0", "") },
  xids: [],
  attempts: 0,
  shmFreeBytes: 1 << 30,
  diskFreeBytes: 2 ** 40,
  clockOffsetMs: 40,
};
const busy: NodeFacts["gpus"] = { kind: "ok", survey: parseSurvey("0, GPU-a, H100, 90, 70000, 81559, 0", "4711") };

test.each<[string, Partial<NodeFacts>, readonly string[], RegExp]>([
  ["nothing", {}, [], /^$/],
  ["a machine without GPUs", { gpus: { kind: "absent" } }, [], /^$/],
  ["GPU memory that no attempt holds", { gpus: busy }, ["gpu_memory"], /GPU 0 holds 70000 MiB .*4711/],
  ["GPU memory of an attempt", { gpus: busy, attempts: 1 }, [], /^$/],
  ["a driver that fails", { gpus: { kind: "failed", error: "no device" } }, ["gpu_driver"], /no device/],
  ["memory errors", { gpus: { kind: "ok", survey: parseSurvey("0, GPU-a, H100, 0, 4, 81559, 7", "") } }, ["gpu_ecc"], /GPU-a has 7/],
  ["an Xid", { xids: [{ xid: 79, bus: "0000:3b:00" }] }, ["gpu_xid"], /Xid 79/],
  ["a container's default /dev/shm", { shmFreeBytes: 64 << 20 }, ["shm_low"], /64 MiB free.*--shm-size/],
  ["a full disk", { diskFreeBytes: 1 << 20 }, ["disk_low"], /1 MiB free/],
  ["a clock that is late", { clockOffsetMs: -3_600_000 }, ["clock"], /3600 s behind/],
])("%s is told in words", (_, over, codes, text) => {
  const dirt = dirtOf({ ...clean, ...over }, CLEAN_LIMITS);
  expect(dirt.map((one) => one.code)).toEqual(codes);
  expect(dirt.map((one) => one.text).join("")).toMatch(text);
});
