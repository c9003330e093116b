import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeEach, describe, expect, it } from "vitest";
import { SELF_SIGNED, SIGNED } from "../../test/support/certificates.ts";
import { ADMIN_TOKEN, endServerProcesses, startServerProcess } from "../../test/support/server-process.ts";
import { httpTransport } from "../cli/transport.ts";
import { readApiFile } from "../storage/api-file.ts";

let root = "";
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "verlpool-server-"));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));
afterAll(endServerProcesses);

function writePair(cert: string, key: string): { VERLPOOL_SERVER_TLS_CERT: string; VERLPOOL_SERVER_TLS_KEY: string } {
  const [certFile, keyFile] = [join(root, "tls.pem"), join(root, "tls.key")];
  writeFileSync(certFile, cert);
  writeFileSync(keyFile, key);
  return { VERLPOOL_SERVER_TLS_CERT: certFile, VERLPOOL_SERVER_TLS_KEY: keyFile };
}

describe("a server that can't start", () => {
  const start = (more: { readonly [name: string]: string }) => {
    const env = { ...process.env, MVP_INTERNAL_TOKEN: "0123456789abcdef0123", VERLPOOL_SERVER_PORT: "0", ...more };
    const args = [join(import.meta.dirname, "cli.ts"), "server", "--root", root];
    // SIGKILL after the time: a program that hangs here does not end by SIGTERM either.
    return spawnSync(process.execPath, args, { env, encoding: "utf8", timeout: 30_000, killSignal: "SIGKILL" });
  };

  it("says why and ends, with its helpers: a supervisor can start it again; that it would listen in clear it has said before", () => {
    mkdirSync(join(root, "common/verlpool"), { recursive: true });
    writeFileSync(join(root, "common/verlpool/launcher"), "in the way");
    const { status, signal, stderr } = start({ VERLPOOL_SERVER_HOST: "0.0.0.0" });
    expect({ status, signal }).toEqual({ status: 1, signal: null });
    expect(stderr).toContain("launcher is a link or no directory");
    const inClear = "tokens travel in clear; give --tls-cert and --tls-key or put a TLS proxy in front";
    expect(stderr).toContain(`verlpool: warning: the server listens on 0.0.0.0 without TLS: ${inClear}`);
    expect(stderr).toMatch(new RegExp(`"level":40.*"msg":"${inClear}"`));
  }, 60_000);

  it("refuses a certificate with another's key before it touches the shared storage", () => {
    const { status, stderr } = start(writePair(SIGNED.cert, SELF_SIGNED.key));
    expect(stderr).toMatch(/^verlpool: server\.tls_key: .*tls\.key is not the key of the certificate/);
    expect([status, readdirSync(root).toSorted()]).toEqual([2, ["tls.key", "tls.pem"]]);
  }, 60_000);
});

describe("a server with TLS", () => {
  it("publishes its https address with the fingerprint by which a client believes it", async () => {
    const { url, stderr } = await startServerProcess({ root, rayAddress: null, env: writePair(SELF_SIGNED.cert, SELF_SIGNED.key) });
    const api = readApiFile(root, "default");
    expect([api?.url, url.startsWith("https://"), stderr().includes("in clear")]).toEqual([url, true, false]);
    const answer = await httpTransport()({
      method: "GET",
      url: `${url}/api/v2/me`,
      headers: { authorization: `Bearer ${ADMIN_TOKEN}` },
      body: null,
      timeoutMs: 20_000,
      idleMs: 20_000,
      signal: new AbortController().signal,
      trust: { ca: null, fingerprint: api?.caFingerprint ?? null },
    });
    expect(answer.status).toBe(200);
    await endServerProcesses();
  }, 60_000);
});
