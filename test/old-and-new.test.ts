/** Versions side by side: what a later one adds to a file is passed over, and a later schema is refused in words that say what to do. */
import { crc32 } from "node:zlib";
import { expect, test } from "vitest";
import { parseHead } from "../src/storage/head-file.ts";
import { NODE_FILE_BYTES, parseNodeFile } from "../src/storage/node-file.ts";

const AT = "2026-01-01T00:00:00.000Z";
const HEAD = {
  schema: 1,
  cluster: "c1",
  epoch: 7,
  seq: 12,
  session: "session_1",
  address: "10.0.0.1:6379",
  dashboard_url: "http://10.0.0.1:8265",
  released: false,
  owner: { host: "h", nonce: "n" },
  published_at: AT,
  expires_at: AT,
  mac: null,
};
const NODE = { schema: 1, node: "gpu-1", seq: 3, state: "joined", why: null, at: AT };

const bytes = (record: object): Uint8Array => Buffer.from(JSON.stringify(record));

function nodeFile(record: object): Uint8Array {
  const body = JSON.stringify(record).padEnd(NODE_FILE_BYTES - 9);
  return Buffer.from(`${body}${crc32(body).toString(16).padStart(8, "0")}\n`);
}

test("head.json of a later version with fields that this one does not know is read, and so is one with the fewest fields", () => {
  for (const more of [{}, { quorum: { members: 3 }, ray_version: "9.9.9" }])
    expect(parseHead(bytes({ ...HEAD, ...more }), null)).toMatchObject({ kind: "ok", head: { epoch: 7, session: "session_1" } });
});

test("head.json of a later schema is refused, and says that this program is to be brought up to it", () => {
  expect(parseHead(bytes({ ...HEAD, schema: 2 }), null)).toEqual({
    kind: "unreadable",
    why: "it has schema 2, of a later verlpool: bring this one up to it",
  });
});

test("a node's record of a later or an earlier agent is read, and one of a later schema is not", () => {
  for (const more of [{}, { agent_version: "3.0.0", numa: [{ id: 0 }], gpus: { total: 8, mig: true } }])
    expect(parseNodeFile(nodeFile({ ...NODE, ...more }))).toMatchObject({ node: "gpu-1", seq: 3, state: "joined" });
  expect(parseNodeFile(nodeFile({ ...NODE, schema: 2 }))).toBeNull();
});
