/** The API over TLS, from both ends: what the server shows, and what the command line believes. */
import { X509Certificate } from "node:crypto";
import { connect as connectPlain } from "node:net";
import { connect } from "node:tls";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { httpTransport, type HttpRequest } from "../../src/cli/transport.ts";
import type { TlsTrust } from "../../src/cli/tls-trust.ts";
import { showIdentity } from "../../src/http/tls-identity.ts";
import { SELF_SIGNED, SIGNED, TEST_CA } from "../support/certificates.ts";
import { ADMIN_TOKEN, httpWorld, type HttpWorld } from "../support/http-world.ts";

let world: HttpWorld;
let url: string;
let port: number;

beforeAll(async () => {
  world = await httpWorld(undefined, undefined, SIGNED);
  url = await world.app.listen({ host: "127.0.0.1", port: 0 });
  port = Number(new URL(url).port);
});
afterAll(() => world.close());

const fingerprintOf = (cert: string): string => new X509Certificate(cert).fingerprint256;

function ask(trust: TlsTrust | undefined, changes: Partial<HttpRequest> = {}) {
  const request: HttpRequest = {
    method: "GET",
    url: `${url}/api/v2/me`,
    headers: { authorization: `Bearer ${ADMIN_TOKEN}` },
    body: null,
    timeoutMs: 10_000,
    idleMs: 10_000,
    signal: new AbortController().signal,
    trust,
  };
  return httpTransport()({ ...request, ...changes });
}

/** What is shown to a client that believes anything. */
function handshake(options: { maxVersion?: "TLSv1.1" | "TLSv1.2" } = {}): Promise<{ protocol: string | null; fingerprint: string }> {
  return new Promise((resolve, reject) => {
    const socket = connect({
      port,
      host: "127.0.0.1",
      rejectUnauthorized: false,
      ciphers: "DEFAULT@SECLEVEL=0",
      minVersion: "TLSv1",
      ...options,
    });
    socket.once("error", reject).once("secureConnect", () => {
      resolve({ protocol: socket.getProtocol(), fingerprint: socket.getPeerCertificate().fingerprint256 });
      socket.destroy();
    });
  });
}

test("the address is https, and only over TLS browsers are told to stay there", async () => {
  expect(url).toMatch(/^https:/);
  const answer = await ask({ ca: TEST_CA, fingerprint: null });
  expect([answer.status, answer.header("strict-transport-security")]).toEqual([200, "max-age=31536000"]);
  const plain = await httpWorld();
  expect((await plain.call("GET", "/healthz")).headers).not.toHaveProperty("strict-transport-security");
  await plain.close();
});

test("TLS 1.2 is spoken, 1.1 is not", async () => {
  expect((await handshake({ maxVersion: "TLSv1.2" })).protocol).toBe("TLSv1.2");
  await expect(handshake({ maxVersion: "TLSv1.1" })).rejects.toThrow(/alert|protocol|unsupported/i);
});

test.each(["GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", "\x16\x03\x01\x00\x05hello", ""])(
  "a connection that brings %j is closed without a word in clear, and the server goes on",
  async (bytes) => {
    const got = await new Promise<string>((resolve) => {
      const socket = connectPlain(port, "127.0.0.1");
      let text = "";
      socket.on("data", (part: Buffer) => (text += part.toString("latin1"))).on("error", () => undefined);
      socket.on("close", () => resolve(text));
      socket.write(bytes);
      if (bytes === "") socket.end();
    });
    expect(got).not.toContain("HTTP/1.1");
    expect((await ask({ ca: TEST_CA, fingerprint: null })).status).toBe(200);
  },
);

describe("the command line believes", () => {
  test("a CA whose file it was given, and no certificate of another one", async () => {
    expect((await ask({ ca: TEST_CA, fingerprint: null })).status).toBe(200);
    await expect(ask(undefined)).rejects.toMatchObject({ name: "Unreachable", reason: "UNABLE_TO_VERIFY_LEAF_SIGNATURE" });
    await expect(ask({ ca: SELF_SIGNED.cert, fingerprint: null })).rejects.toMatchObject({ name: "Unreachable" });
  });

  test("the very certificate that was published, whatever its name and signer, and sends nothing to another", async () => {
    showIdentity(world.app, SELF_SIGNED);
    const pinned = { ca: null, fingerprint: fingerprintOf(SELF_SIGNED.cert) };
    expect((await ask(pinned)).status).toBe(200);
    await expect(ask({ ca: SELF_SIGNED.cert, fingerprint: null })).rejects.toMatchObject({ reason: "ERR_TLS_CERT_ALTNAME_INVALID" });
    const before = world.logged.length;
    await expect(ask({ ca: null, fingerprint: fingerprintOf(SIGNED.cert) })).rejects.toMatchObject({ reason: "OTHER_CERTIFICATE" });
    expect(world.logged.length).toBe(before);
    showIdentity(world.app, SIGNED);
    expect((await ask({ ca: TEST_CA, fingerprint: pinned.fingerprint })).status).toBe(200);
  });
});

test("a renewed certificate is shown without a restart, and a stream that is open goes on", async () => {
  const id = await world.submit(await world.user("alice"));
  const stream = await ask({ ca: TEST_CA, fingerprint: null }, { url: `${url}/api/v2/tasks/${id}/logs?follow=true` });
  const parts = stream.body[Symbol.asyncIterator]();
  await parts.next();
  showIdentity(world.app, SELF_SIGNED);
  expect((await handshake()).fingerprint).toBe(fingerprintOf(SELF_SIGNED.cert));
  const next = parts.next();
  await world.call("POST", `/api/v2/tasks/${id}:cancel`, ADMIN_TOKEN);
  expect(Buffer.from((await next).value as Uint8Array).toString()).toContain("event: end");
  await parts.return?.();
  showIdentity(world.app, SIGNED);
});
