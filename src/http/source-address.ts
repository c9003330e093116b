/** Where a request came from: the socket's word, never a header's. */
import type { FastifyRequest } from "fastify";

/** IPv4 as people write it, also where the server listens on `::`. null once the client is gone, unless it was asked for before. */
export function sourceAddress(request: FastifyRequest): string | null {
  return request.raw.socket.remoteAddress?.replace(/^::ffff:(?=\d+\.)/i, "") ?? null;
}
