import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";

let root = "";
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "verlpool-server-"));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

describe("a server that can't start", () => {
  it("says why and ends, with its helpers: a supervisor can start it again", () => {
    mkdirSync(join(root, "common/verlpool"), { recursive: true });
    writeFileSync(join(root, "common/verlpool/launcher"), "in the way");
    const env = { ...process.env, MVP_INTERNAL_TOKEN: "0123456789abcdef0123", VERLPOOL_SERVER_PORT: "0" };
    const args = [join(import.meta.dirname, "cli.ts"), "server", "--root", root];
    // SIGKILL after the time: a program that hangs here does not end by SIGTERM either.
    const { status, signal, stderr } = spawnSync(process.execPath, args, { env, encoding: "utf8", timeout: 30_000, killSignal: "SIGKILL" });
    expect({ status, signal }).toEqual({ status: 1, signal: null });
    expect(stderr).toContain("launcher is a link or no directory");
  }, 60_000);
});
