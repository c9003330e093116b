/** The API's certificate and key from their files, at the start and whenever they change. */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { createSecureContext } from "node:tls";
import { ConfigError } from "../config/config.ts";
import type { Settings } from "../config/settings.ts";
import type { Clock, Log } from "../control/ports.ts";
import type { TlsIdentity } from "../http/tls-identity.ts";

export type TlsFiles = NonNullable<Settings["tlsFiles"]>;

export type LoadedTls = {
  readonly identity: TlsIdentity;
  /** SHA-256 of the certificate, as `openssl x509 -fingerprint -sha256` prints it. */
  readonly fingerprint: string;
  /** Epoch ms. */
  readonly expiresAt: number;
};

/** Throws ConfigError naming the file: unreadable, no certificate or key, or a key of another certificate. */
export function loadTls(files: TlsFiles): LoadedTls {
  const cert = read("server.tls_cert", files.cert);
  const key = read("server.tls_key", files.key);
  const certificate = understood("server.tls_cert", files.cert, "no PEM certificate", () => new X509Certificate(cert));
  const privateKey = understood("server.tls_key", files.key, "no PEM private key without a passphrase", () => createPrivateKey(key));
  if (!certificate.checkPrivateKey(privateKey))
    throw new ConfigError(
      `server.tls_key: ${files.key} is not the key of the certificate ${files.cert}; give the pair that was issued together`,
    );
  understood("server.tls_cert", files.cert, "not usable for TLS", () => createSecureContext({ cert, key }));
  return { identity: { cert, key }, fingerprint: certificate.fingerprint256, expiresAt: certificate.validToDate.getTime() };
}

function read(name: string, path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new ConfigError(`${name}: ${path} can't be read: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function understood<T>(name: string, path: string, what: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    throw new ConfigError(`${name}: ${path} is ${what}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

const EVERY_MS = 10_000;

/** Calls `show` with each new pair until the signal; while the files are half changed, or wrong, the last good pair stays. */
export async function followTls(
  files: TlsFiles,
  first: LoadedTls,
  show: (loaded: LoadedTls) => Promise<void>,
  clock: Clock,
  log: Log,
  signal: AbortSignal,
): Promise<void> {
  let shown = first;
  let complaint = "";
  while (!signal.aborted) {
    await clock.sleep(EVERY_MS, signal).catch(() => undefined);
    if (signal.aborted) return;
    try {
      const loaded = loadTls(files);
      complaint = "";
      if (loaded.identity.cert === shown.identity.cert && loaded.identity.key === shown.identity.key) continue;
      await show(loaded);
      shown = loaded;
      log.info({ fingerprint: loaded.fingerprint, expires_at: new Date(loaded.expiresAt).toISOString() }, "the new certificate is shown");
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      if (why !== complaint) log.warn({ error: why }, "the certificate's files can't be used; the last good one is shown");
      complaint = why;
    }
  }
}
