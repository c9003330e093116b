/** `GET /healthz` of an agent, on loopback only: for the platform that keeps it. */
import { createServer } from "node:http";

export type Health = { readonly isWell: boolean; readonly body: object };

/** Resolves once it listens; rejects when the port is taken. */
export async function serveHealth(port: number, health: () => Health): Promise<() => void> {
  const server = createServer((request, response) => {
    const isKnown = request.url === "/healthz" && (request.method === "GET" || request.method === "HEAD");
    const { isWell, body } = isKnown ? health() : { isWell: false, body: {} };
    const status = isKnown ? (isWell ? 200 : 503) : 404;
    response.writeHead(status, { "content-type": "application/json", connection: "close" });
    response.end(request.method === "HEAD" ? "" : `${JSON.stringify(body)}\n`);
  });
  server.maxConnections = 16;
  server.requestTimeout = 5_000;
  server.headersTimeout = 5_000;
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error) => reject(new Error(`--health-port ${port} can't be used: ${error.message}`, { cause: error })));
    server.listen({ host: "127.0.0.1", port }, resolve);
  });
  return () => {
    server.close();
    server.closeAllConnections();
  };
}
