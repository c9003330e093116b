/** Whom the client believes over TLS: the system's CAs and Node's, those of a file, and the one certificate that a server of this pool published. */
import { getCACertificates, type TLSSocket } from "node:tls";
import { Agent, buildConnector, fetch as fetchThrough } from "undici";

export type TlsTrust = {
  /** PEM of further CAs. */
  readonly ca: string | null;
  /** SHA-256 of a certificate that is believed whoever signed it, in the form AB:CD:…. */
  readonly fingerprint: string | null;
};

/** What the reason of Unreachable says when a published fingerprint is not that of the certificate shown. */
export const OTHER_CERTIFICATE = "OTHER_CERTIFICATE";

class OtherCertificate extends Error {
  override readonly name = "OtherCertificate";
  readonly code = OTHER_CERTIFICATE;
}

/** `default` has NODE_EXTRA_CA_CERTS in it (nodejs.org/api/tls.html). */
function authorities(ca: string | null): string[] {
  return [...new Set([...getCACertificates("default"), ...getCACertificates("system"), ...(ca === null ? [] : [ca])])];
}

function connector({ ca, fingerprint }: TlsTrust): buildConnector.connector {
  const base = { ca: authorities(ca), allowH2: false };
  if (fingerprint === null) return buildConnector(base);
  // A resumed session shows no certificate to compare.
  const connect = buildConnector({ ...base, rejectUnauthorized: false, maxCachedSessions: 0 });
  return (options, callback) =>
    connect(options, (error, socket) => {
      if (error !== null) return callback(error, null);
      const secure = socket as TLSSocket;
      const shown = secure.getPeerCertificate().fingerprint256;
      if (secure.authorized || shown === fingerprint) return callback(null, secure);
      // Before a byte of the request, which holds the token, is written.
      secure.destroy();
      return callback(new OtherCertificate(`the certificate is ${shown}`), null);
    });
}

const SYSTEM_ONLY: TlsTrust = { ca: null, fingerprint: null };

/** A fetch for each trust, made once: reading the system's CAs takes tens of milliseconds. */
export function trustingFetch(): (trust: TlsTrust | undefined) => typeof fetch {
  const made = new Map<string, typeof fetch>();
  return (trust = SYSTEM_ONLY) => {
    const key = JSON.stringify([trust.ca, trust.fingerprint]);
    const known = made.get(key);
    if (known !== undefined) return known;
    const dispatcher = new Agent({ connect: connector(trust) });
    // The types of undici and of Node describe the same fetch.
    const one = ((url: string, init: object) => fetchThrough(url, { ...init, dispatcher })) as unknown as typeof fetch;
    made.set(key, one);
    return one;
  };
}
