import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { readApiFile, writeApiFile } from "./api-file.ts";
import { discoveryFile, headMac, readHeadFile } from "./head-file.ts";
import { installLauncher } from "./install-launcher.ts";

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
  root = mkdtempSync(join(tmpdir(), "verlpool-discovery-"));
  path = discoveryFile(root, "c1", "head.json");
  mkdirSync(join(path, ".."), { recursive: true });
});

afterEach(() => rmSync(root, { recursive: true, force: true }));

function read(content?: string, key: string | null = null) {
  if (content !== undefined) writeFileSync(path, content, { mode: 0o644 });
  return readHeadFile(path, { uid, key });
}

describe("head.json", () => {
  it("is read whole", () => {
    expect(read(JSON.stringify(HEAD))).toMatchObject({
      kind: "ok",
      head: { cluster: "c1", epoch: 7, seq: 1234, dashboardUrl: "http://10.0.0.1:8265", released: false, owner: { host: "h", nonce: "n" } },
    });
  });

  it("is unreadable in every prefix, and as garbage, and never throws", () => {
    const whole = JSON.stringify(HEAD);
    for (let length = 0; length < whole.length; length += 1) expect(read(whole.slice(0, length)).kind).toBe("unreadable");
    const wrong = [
      { schema: 2 },
      { epoch: "7" },
      { seq: 1e300 },
      { session: "" },
      { address: null },
      { owner: null },
      { owner: { host: "h" } },
    ];
    const evil = ["file:///etc/passwd", "http://a@b/", "http://a b", "http://x/path"].map((dashboard_url) => ({ dashboard_url }));
    for (const change of [...wrong, ...evil]) expect(read(JSON.stringify({ ...HEAD, ...change })).kind).toBe("unreadable");
    for (const content of ["null", "[]", `\ufeff${whole}`, " ".repeat(70_000)]) expect(read(content).kind).toBe("unreadable");
  });

  it("is absent when it or its directory is not there", () => {
    expect(read()).toEqual({ kind: "absent" });
    rmSync(join(path, ".."), { recursive: true });
    expect(read()).toEqual({ kind: "absent" });
  });

  it("is not believed when others may write it, or as a link, directory or FIFO", () => {
    read(JSON.stringify(HEAD));
    chmodSync(path, 0o664);
    expect(read()).toMatchObject({ kind: "unreadable", why: expect.stringContaining("writable") });
    chmodSync(path, 0o644);
    expect(readHeadFile(path, { uid: uid + 1, key: null }).kind).toBe(uid === 0 ? "ok" : "unreadable");
    rmSync(path);
    writeFileSync(join(root, "elsewhere"), JSON.stringify(HEAD));
    symlinkSync(join(root, "elsewhere"), path);
    expect(read().kind).toBe("unreadable");
    rmSync(path);
    mkdirSync(path);
    expect(read().kind).toBe("unreadable");
    rmSync(path, { recursive: true });
    spawnSync("mkfifo", [path]);
    expect(read().kind).toBe("unreadable");
  });

  it("must carry the mac of its sorted JSON when a key is set", () => {
    const mac = headMac(HEAD, "key");
    const shuffled = Object.fromEntries(Object.entries({ ...HEAD, mac }).toReversed());
    expect(read(JSON.stringify(shuffled), "key").kind).toBe("ok");
    expect(read(JSON.stringify({ ...HEAD, mac, epoch: 8 }), "key")).toMatchObject({
      kind: "unreadable",
      why: expect.stringContaining("mac"),
    });
    expect(read(JSON.stringify(HEAD), "key").kind).toBe("unreadable");
    expect(read(JSON.stringify({ ...HEAD, mac: "ä".repeat(64) }), "key").kind).toBe("unreadable");
  });

  it("has no path for a cluster name that is none", () => {
    expect(() => discoveryFile(root, "../x", "head.json")).toThrow("no cluster name");
  });
});

describe("api.json", () => {
  it("is read as it was written", () => {
    const api = { url: "http://10.0.0.2:8080", caFingerprint: null, at: "2026-01-01T00:00:00.000Z" };
    expect(readApiFile(root, "c1")).toBeNull();
    writeApiFile(root, "c1", { ...api, url: "http://old" }, "t1");
    writeApiFile(root, "c1", api, "t2");
    expect(readApiFile(root, "c1")).toEqual(api);
    writeFileSync(discoveryFile(root, "c1", "api.json"), '{"schema":1,"url":"file:///x","at":"t"}');
    expect(readApiFile(root, "c1")).toBeNull();
  });
});

describe("installLauncher", () => {
  it("writes a file named by its content once, read-only, and repairs a damaged one", () => {
    const canonical = installLauncher(root, "print()", "t");
    expect(canonical).toMatch(/^\/private\/common\/verlpool\/launcher\/[0-9a-f]{12}\/launch\.py$/);
    const file = join(root, canonical.slice("/private".length));
    const first = statSync(file);
    expect(first.mode & 0o777).toBe(0o444);
    installLauncher(root, "print()", "t");
    expect(statSync(file).ino).toBe(first.ino);
    chmodSync(file, 0o600);
    writeFileSync(file, "pri");
    installLauncher(root, "print()", "t");
    expect(readFileSync(file, "utf8")).toBe("print()");
    expect(installLauncher(root, "other", "t")).not.toBe(canonical);
  });
});
