/** Where the API listens, or what is in the way of it. */
import type { FastifyInstance } from "fastify";

const IN_THE_WAY: { readonly [code: string]: string } = {
  EADDRINUSE: "another process listens there; stop it, or choose another port (--port, server.port)",
  EADDRNOTAVAIL: "this machine has no such address; choose another (--host, server.host)",
  ENOTFOUND: "no address is known for that name; choose another (--host, server.host)",
  EACCES: "this user may not listen there; take a port above 1023 (--port, server.port)",
};

/** The URL. */
export async function listen(app: Pick<FastifyInstance, "listen">, host: string, port: number): Promise<string> {
  try {
    return await app.listen({ host, port });
  } catch (error) {
    const why = IN_THE_WAY[(error as NodeJS.ErrnoException).code ?? ""];
    if (why === undefined) throw error;
    throw new Error(`the API can't listen on ${host}:${port}: ${why}`, { cause: error });
  }
}
