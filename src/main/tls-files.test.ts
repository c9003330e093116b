import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { SELF_SIGNED, SIGNED } from "../../test/support/certificates.ts";
import { manualClock } from "../../test/support/manual-clock.ts";
import { ConfigError, resolveConfig } from "../config/config.ts";
import { settingsOf } from "../config/settings.ts";
import type { Log } from "../control/ports.ts";
import { isLoopback } from "./exposure.ts";
import { followTls, loadTls } from "./tls-files.ts";

let folder: string;
const at = (name: string): string => join(folder, name);

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "verlpool-tls-"));
  for (const [name, pair] of [
    ["signed", SIGNED],
    ["self", SELF_SIGNED],
  ] as const) {
    writeFileSync(at(`${name}.pem`), pair.cert);
    writeFileSync(at(`${name}.key`), pair.key);
  }
  writeFileSync(at("text.pem"), "no certificate");
  writeFileSync(at("empty.pem"), "");
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test("a pair is loaded with the fingerprint that openssl prints", () => {
  const { identity, fingerprint } = loadTls({ cert: at("signed.pem"), key: at("signed.key") });
  expect(identity).toEqual(SIGNED);
  expect(fingerprint).toMatch(/^([0-9A-F]{2}:){31}[0-9A-F]{2}$/);
});

test.each([
  ["none.pem", "signed.key", /server\.tls_cert: .*none\.pem can't be read: ENOENT/],
  ["signed.pem", "none.key", /server\.tls_key: .*none\.key can't be read/],
  ["text.pem", "signed.key", /server\.tls_cert: .*text\.pem is no PEM certificate/],
  ["empty.pem", "signed.key", /server\.tls_cert: .*empty\.pem is no PEM certificate/],
  ["signed.pem", "text.pem", /server\.tls_key: .*text\.pem is no PEM private key/],
  ["signed.pem", "self.key", /server\.tls_key: .*self\.key is not the key of the certificate .*signed\.pem/],
])("%s with %s is refused by name", (cert, key, message) => {
  expect(() => loadTls({ cert: at(cert), key: at(key) })).toThrow(ConfigError);
  expect(() => loadTls({ cert: at(cert), key: at(key) })).toThrow(message);
});

test.each([["server.tls_cert"], ["server.tls_key"]] as const)("%s alone is a configuration error", (name) => {
  const settings = (): unknown => settingsOf(resolveConfig({ flags: { [name]: "/x.pem" }, environment: {}, file: null }));
  expect(settings).toThrow(/TLS needs both/);
});

test("a renewed pair is shown once both files are there; until then the last good one stays, with one warning", async () => {
  const clock = manualClock(0);
  const warned: object[] = [];
  const log: Log = { debug: () => undefined, info: () => undefined, warn: (fields) => void warned.push(fields), error: () => undefined };
  const files = { cert: at("live.pem"), key: at("live.key") };
  copyFileSync(at("signed.pem"), files.cert);
  copyFileSync(at("signed.key"), files.key);
  const shown: string[] = [];
  const stop = new AbortController();
  const following = followTls(files, loadTls(files), async ({ identity }) => void shown.push(identity.cert), clock, log, stop.signal);
  const look = async (): Promise<void> => {
    await expect.poll(clock.sleeping).toBe(1);
    clock.advance(60_000);
    await expect.poll(clock.sleeping).toBe(1);
  };
  await look();
  copyFileSync(at("self.pem"), files.cert);
  await look();
  await look();
  expect([shown.length, warned.length]).toEqual([0, 1]);
  copyFileSync(at("self.key"), files.key);
  await look();
  await look();
  expect(shown).toEqual([SELF_SIGNED.cert]);
  stop.abort();
  clock.advance(60_000);
  await following;
});

test.each([
  ["127.0.0.1", true],
  ["127.8.0.1", true],
  ["::1", true],
  ["[::1]", true],
  ["localhost", true],
  ["0.0.0.0", false],
  ["::", false],
  ["10.0.0.7", false],
  ["pool.example", false],
  ["127.0.0.1.example", false],
])("that %s is this machine alone is %s", (host, expected) => {
  expect(isLoopback(host)).toBe(expected);
});
