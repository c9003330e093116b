/** The certificate that the API shows, and its change while the server runs. */
import type { Server as TlsServer } from "node:tls";
import type { FastifyInstance } from "fastify";

/** PEM: the certificate with its chain, and its key. */
export type TlsIdentity = { readonly cert: string; readonly key: string };

export const MIN_TLS_VERSION = "TLSv1.2";

/** New connections see the new certificate; open ones go on. Only for an app that was created with one. */
export function showIdentity(app: FastifyInstance, identity: TlsIdentity): void {
  (app.server as unknown as TlsServer).setSecureContext({ ...identity, minVersion: MIN_TLS_VERSION });
}
