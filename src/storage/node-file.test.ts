import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type NodeRecord, NO_WANT, nodeRecordFrom, nodeRecordJson, nodeWantJson } from "../domain/node-record.ts";
import { beatNode, formatNodeFile, NODE_FILE_BYTES, parseNodeFile, readWant } from "./node-file.ts";

let root = "";
let nodes = "";
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "node-file-"));
  nodes = join(root, "ray", "discovery", "default", "nodes");
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const gpu = { index: 0, uuid: "GPU-1", name: "H100", utilizationPercent: 97, memoryUsedMib: 70_000, memoryTotalMib: null };
const record: NodeRecord = {
  node: "gpu-1.example",
  seq: 41,
  state: "joined",
  why: { code: "dirty_soon", text: "größer" },
  address: "10.0.0.7",
  rayNodeId: "ab12",
  session: "session_1",
  incarnation: "i2",
  deadIncarnations: ["i0", "i1"],
  attempts: ["mvp2-alice-ppo-20260101-000000-abcd--a01"],
  gpus: { total: 1, busyPids: [17], uuids: ["GPU-1"], usage: [gpu], sampledAt: "2026-11-24T00:00:00.000Z" },
  cpus: 12,
  shmFreeBytes: 1,
  diskFreeBytes: 2,
  clockOffsetMs: -3,
  dirt: [{ code: "xid", text: "Xid 79" }],
  labels: { zone: "a" },
  containment: "pidns",
  rayVersion: "2.60.0",
  pythonVersion: "3.11.2",
  agentVersion: "2.5.0",
  agent: { host: "gpu-1", nonce: "n", pid: 5, startTicks: 6, bootId: "b", pidNamespace: "pid:[1]" },
  at: "2026-11-24T00:00:00.000Z",
};

test("a record is read as it was written, and a beat shows what stood there before", () => {
  expect(nodeRecordFrom(JSON.parse(nodeRecordJson(record)))).toEqual(record);
  expect(beatNode(root, "default", record).previous).toBeNull();
  const next = beatNode(root, "default", { ...record, seq: 42, attempts: [] });
  expect(next.previous).toEqual(record);
  const bytes = readFileSync(join(nodes, "gpu-1.example.json"));
  expect(bytes.length).toBe(NODE_FILE_BYTES);
  expect(parseNodeFile(bytes)).toEqual({ ...record, seq: 42, attempts: [] });
});

test("a file that is torn anywhere, cut short or of another schema is not read", () => {
  const [old, fresh] = [formatNodeFile(record), formatNodeFile({ ...record, seq: 42, at: "2026-11-24T00:00:05.000Z" })];
  for (const cut of [1, 40, 200, 900, 16_384, NODE_FILE_BYTES - 2]) {
    const torn = Buffer.concat([fresh.subarray(0, cut), old.subarray(cut)]);
    if (!torn.equals(fresh) && !torn.equals(old)) expect(parseNodeFile(torn)).toBeNull();
    expect(parseNodeFile(fresh.subarray(0, cut))).toBeNull();
  }
  expect(nodeRecordFrom({ ...JSON.parse(nodeRecordJson(record)), schema: 2 })).toBeNull();
});

test("a record that does not fit is refused before anything is written", () => {
  const attempts = Array.from({ length: 2_000 }, (_, index) => `mvp2-alice-ppo-20260101-000000-abcd--a${index + 10}`);
  expect(() => beatNode(root, "default", { ...record, attempts })).toThrow("more than");
});

test("a wish is read, and what is none is told apart from none", () => {
  expect(readWant(root, "default", "n1")).toEqual({ kind: "absent" });
  mkdirSync(nodes, { recursive: true });
  const want = { ...NO_WANT, cordon: true, by: "admin", reason: "two losses", gpuUuids: ["GPU-1"], at: "2026-11-24T00:00:00.000Z" };
  writeFileSync(join(nodes, "n1.want"), nodeWantJson(want));
  expect(readWant(root, "default", "n1")).toEqual({ kind: "ok", want });
  for (const text of ["", "{", "[]", '{"schema":2,"cordon":true,"drain":false}', '{"cordon":1}']) {
    writeFileSync(join(nodes, "n2.want"), text);
    expect(readWant(root, "default", "n2")).toEqual({ kind: "unreadable" });
  }
  symlinkSync(join(nodes, "n1.want"), join(nodes, "n3.want"));
  mkdirSync(join(nodes, "n4.want"));
  expect(readWant(root, "default", "n3")).toEqual({ kind: "unreadable" });
  expect(readWant(root, "default", "n4")).toEqual({ kind: "unreadable" });
});
