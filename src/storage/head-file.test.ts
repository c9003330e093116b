import { spawnSync } from "node:child_process";
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, truncateSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { NOTHING_SEEN, seeHead } from "../domain/head-watch.ts";
import { discoveryFile, formatHead, headMac, readHeadFile } from "./head-file.ts";

const HEAD = {
  schema: 1,
  cluster: "c1",
  epoch: 7,
  seq: 1234,
  session: "session_1",
  address: "10.0.0.1:6379",
  dashboard_url: "http://10.0.0.1:8265",
  released: false,
  ray_version: "2.60.0",
  python_version: "3.11.2",
  owner: { host: "h", nonce: "n" },
  published_at: "2026-01-01T00:00:00.000Z",
  expires_at: "2026-01-01T00:00:30.000Z",
  mac: null,
};
const uid = process.getuid?.() ?? 0;

let root = "";
let path = "";

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "verlpool-head-"));
  path = discoveryFile(root, "c1", "head.json");
  mkdirSync(join(path, ".."), { recursive: true });
});

afterEach(() => rmSync(root, { recursive: true, force: true }));

function read(content?: string, key: string | null = null) {
  if (content !== undefined) writeFileSync(path, content, { mode: 0o644 });
  return readHeadFile(path, { uid, key });
}

const json = (change: object) => JSON.stringify({ ...HEAD, ...change });

describe("head.json", () => {
  it("is read whole", () => {
    expect(read(JSON.stringify(HEAD))).toMatchObject({
      kind: "ok",
      head: { cluster: "c1", epoch: 7, seq: 1234, dashboardUrl: "http://10.0.0.1:8265", released: false, owner: { host: "h", nonce: "n" } },
    });
  });

  it("is read as it was written, of a head that is up and of one that is starting, with and without a key", () => {
    const owner = { host: "h", nonce: "n", process: { pid: 5, startTicks: 6, bootId: "b", pidNamespace: "pid:[1]" } };
    const beat = { cluster: "c1", epoch: 8, seq: 2, released: false, owner };
    const up = { session: "s", address: "h:1", dashboardUrl: "http://h:2", rayVersion: "2.60.0", pythonVersion: null };
    const times = { publishedAt: "2026-01-01T00:00:00.000Z", expiresAt: "2026-01-01T00:00:30.000Z" };
    for (const key of [null, "key"]) {
      expect(read(formatHead({ ...beat, ...up }, times, key), key)).toEqual({ kind: "ok", head: { ...beat, ...up } });
      expect(read(formatHead(beat, times, key), key)).toEqual({ kind: "starting", beat });
    }
  });

  it("is absent when it or its directory is not there", () => {
    expect(read()).toEqual({ kind: "absent" });
    rmSync(join(path, ".."), { recursive: true });
    expect(read()).toEqual({ kind: "absent" });
  });

  it("must carry the mac of its sorted JSON when a key is set", () => {
    const mac = headMac(HEAD, "key");
    const shuffled = Object.fromEntries(Object.entries({ ...HEAD, mac }).toReversed());
    expect(read(JSON.stringify(shuffled), "key").kind).toBe("ok");
    for (const change of [{ mac, epoch: 8 }, { mac, owner: { host: "evil", nonce: "n" } }, {}, { mac: "ä".repeat(64) }])
      expect(read(json(change), "key")).toMatchObject({ kind: "unreadable", why: expect.stringContaining("mac") });
  });

  it("has no path for a cluster name that is none", () => {
    expect(() => discoveryFile(root, "../x", "head.json")).toThrow("no cluster name");
  });
});

/** Each makes of the path something that is no head record. */
const SPOILT: { readonly [name: string]: () => void } = {
  "an empty file": () => writeFileSync(path, ""),
  "a directory": () => mkdirSync(path),
  "a FIFO": () => void spawnSync("mkfifo", [path]),
  "a symlink to a good record": () => {
    writeFileSync(join(root, "elsewhere"), JSON.stringify(HEAD), { mode: 0o644 });
    symlinkSync(join(root, "elsewhere"), path);
  },
  "a symlink to nothing": () => symlinkSync("/nonexistent", path),
  "a symlink to a device": () => symlinkSync("/dev/zero", path),
  "1 GB of nothing": () => {
    writeFileSync(path, "");
    truncateSync(path, 1_000_000_000);
  },
  "64 KiB and one byte": () => writeFileSync(path, JSON.stringify(HEAD).padEnd(64 * 1024 + 1)),
  noise: () => writeFileSync(path, Buffer.from(Array.from({ length: 4_096 }, (_, index) => (index * 167 + 13) % 256))),
  "a record that its group may write": () => {
    writeFileSync(path, JSON.stringify(HEAD));
    chmodSync(path, 0o664);
  },
  "a record that others may write": () => {
    writeFileSync(path, JSON.stringify(HEAD));
    chmodSync(path, 0o602);
  },
  ...Object.fromEntries(
    Object.entries({
      "no object": "null",
      "a list": "[]",
      "a byte order mark": `\ufeff${JSON.stringify(HEAD)}`,
      "no schema": json({ schema: undefined }),
      "a future version": json({ schema: 2 }),
      "a schema that is text": json({ schema: "1" }),
      "an epoch that is text": json({ epoch: "7" }),
      "a negative epoch": json({ epoch: -1 }),
      "an epoch that is no whole number": json({ epoch: 7.5 }),
      "an enormous seq": json({ seq: 1e300 }),
      "a seq of null": json({ seq: null }),
      "an empty session": json({ session: "" }),
      "a session with a line feed": json({ session: "s\nnode joined" }),
      "a session with an escape": json({ session: "s\u001b[2J" }),
      "a session of 1 000 characters": json({ session: "s".repeat(1_000) }),
      "a session that is a list": json({ session: ["s"] }),
      "no address": json({ address: null }),
      "an address without a port": json({ address: "10.0.0.1" }),
      "an address with a flag": json({ address: "--block:1" }),
      "an address with a path": json({ address: "h/../x:1" }),
      "no owner": json({ owner: null }),
      "an owner that is text": json({ owner: "h" }),
      "an owner without a nonce": json({ owner: { host: "h" } }),
      "a file URL": json({ dashboard_url: "file:///etc/passwd" }),
      "a URL with a user": json({ dashboard_url: "http://a@b/" }),
      "a URL with a blank": json({ dashboard_url: "http://a b" }),
      "a URL with a path": json({ dashboard_url: "http://x/path" }),
      "a URL with a query": json({ dashboard_url: "http://x?q" }),
      "deep nesting": "[".repeat(30_000) + "]".repeat(30_000),
      "a prototype instead of fields": `{"__proto__":${JSON.stringify(HEAD)}}`,
    }).map(([name, text]) => [name, () => writeFileSync(path, text, { mode: 0o644 })]),
  ),
};

describe("of a head.json that was spoilt, a reader keeps its last good head, at once and without throwing", () => {
  const good = { kind: "ok", head: { session: "session_1" } } as const;

  it.for(Object.entries(SPOILT))("%s", ([, spoil]) => {
    const before = seeHead(NOTHING_SEEN, read(JSON.stringify(HEAD)), 0);
    expect(before.head).toMatchObject(good.head);
    rmSync(path);
    spoil();
    const reading = read();
    expect(reading.kind).toBe("unreadable");
    expect(seeHead(before, reading, 1_000).head).toBe(before.head);
    expect(seeHead(NOTHING_SEEN, reading, 1_000).head).toBeNull();
  });

  it("every prefix of a valid record", () => {
    const whole = JSON.stringify(HEAD);
    for (let length = 0; length < whole.length; length += 1) expect(read(whole.slice(0, length)).kind).toBe("unreadable");
  });

  it("a socket", async () => {
    const server = createServer().listen(path);
    await new Promise((resolve) => server.once("listening", resolve));
    expect(read().kind).toBe("unreadable");
    await new Promise((resolve) => server.close(resolve));
  });

  it.skipIf(uid !== 0)("a record of another user, which only root can make here", () => {
    read(JSON.stringify(HEAD));
    chownSync(path, 65_534, 65_534);
    expect(read()).toMatchObject({ kind: "unreadable", why: expect.stringContaining("uid 65534") });
  });
});
