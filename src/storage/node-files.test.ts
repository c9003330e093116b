import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { sampleNode } from "../../test/support/node-samples.ts";
import type { NodeFiles } from "../control/node-ports.ts";
import { beatNode } from "./node-file.ts";
import { nodeFiles } from "./node-files.ts";
import { storageInProcess } from "./storage-client.ts";

let root: string;
let nodes: string;
let files: NodeFiles;
const UID = process.getuid?.() ?? 0;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "verlpool-nodes-"));
  nodes = join(root, "ray/discovery/c/nodes");
  files = nodeFiles(storageInProcess({ sharedRoot: root, allowedSymlinkTargets: [] }).call, "c", UID, () => "t");
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const WANT = { cordon: true, drain: false, by: "admin", reason: "Xid 79", gpuUuids: ["GPU-1"], at: "2026-01-01T00:00:00.000Z" };

it("where no agent ever reported there is nothing", async () => {
  expect(await files.read()).toEqual({ names: [], records: [], wants: [] });
});

it("every record that is whole and of our uid is read; of all else that lies there nothing, and nobody waits for it", async () => {
  for (const node of ["w1", "w2", "w3", "w4"]) beatNode(root, "c", sampleNode(node));
  chmodSync(join(nodes, "w2.json"), 0o666);
  truncateSync(join(nodes, "w3.json"), 100);
  const torn = readFileSync(join(nodes, "w4.json"));
  torn.write("x", 40);
  writeFileSync(join(nodes, "w4.json"), torn);
  writeFileSync(join(nodes, "w5.json"), readFileSync(join(nodes, "w1.json")));
  symlinkSync(join(nodes, "w1.json"), join(nodes, "w6.json"));
  mkdirSync(join(nodes, "w7.json"));
  writeFileSync(join(nodes, "-.json"), "");
  const { names, records } = await files.read();
  expect(names.toSorted()).toEqual(["w1", "w2", "w3", "w4", "w5", "w6", "w7"]);
  expect(records).toEqual([sampleNode("w1")]);
});

it("a wish is whole, for our eyes, and read back; one that can't be read is told as such", async () => {
  await files.want("w1", WANT);
  expect(statSync(join(nodes, "w1.want")).mode & 0o777).toBe(0o600);
  writeFileSync(join(nodes, "w2.want"), "{");
  const { wants } = await files.read();
  expect(wants.toSorted((a, b) => (a.node < b.node ? -1 : 1))).toEqual([
    { node: "w1", want: WANT },
    { node: "w2", want: null },
  ]);
  await expect(files.want("../w1", WANT)).rejects.toThrow("no node name");
});

it("what is forgotten is gone, once or twice", async () => {
  beatNode(root, "c", sampleNode("w1"));
  await files.want("w1", WANT);
  await files.forget("w1");
  await files.forget("w1");
  expect(await files.read()).toEqual({ names: [], records: [], wants: [] });
  expect(await files.freeBytes()).toBeGreaterThan(0);
});
