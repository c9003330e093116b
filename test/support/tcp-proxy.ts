/** Stands between the server and Ray's dashboard: passes everything on, answers nothing, or holds back what is submitted. */
import { connect, createServer, type AddressInfo, type Socket } from "node:net";

export type TcpProxy = {
  readonly url: string;
  /** Connections are taken, and nothing comes back, also on those that are open. */
  readonly hang: () => void;
  /** POSTs of jobs stay here, whether or not the client waits for them; everything else passes. */
  readonly holdSubmissions: () => void;
  /** What was held goes on its way now, and everything passes. */
  readonly pass: () => void;
  readonly held: () => number;
  readonly close: () => Promise<void>;
};

/** `target`: `http://host:port`. */
export async function startTcpProxy(target: string): Promise<TcpProxy> {
  const { hostname, port } = new URL(target);
  const sockets = new Set<Socket>();
  let mode: "pass" | "hang" | "hold" = "pass";
  let held: (() => void)[] = [];

  const server = createServer({ allowHalfOpen: true }, (client) => {
    const ray = connect({ host: hostname, port: Number(port) });
    let waiting = 0;
    for (const socket of [client, ray]) {
      sockets.add(socket);
      socket.on("error", () => undefined);
      socket.on("close", () => sockets.delete(socket));
    }
    client.on("data", (chunk) => {
      const isSubmission = chunk.subarray(0, 16).toString("latin1") === "POST /api/jobs/ ";
      if (mode !== "hang" && waiting === 0 && !(mode === "hold" && isSubmission)) return void ray.write(chunk);
      waiting += 1;
      held.push(() => {
        waiting -= 1;
        ray.write(chunk);
      });
    });
    ray.on("data", (chunk) => {
      if (mode !== "hang") return void client.write(chunk);
      held.push(() => void client.write(chunk));
    });
    ray.on("close", () => client.destroy());
    // A client that gave up has still sent what it sent.
    client.on("close", () => waiting === 0 && ray.end());
  });
  server.listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    hang: () => (mode = "hang"),
    holdSubmissions: () => (mode = "hold"),
    pass: () => {
      mode = "pass";
      for (const release of held.splice(0)) release();
    },
    held: () => held.length,
    close: async () => {
      held = [];
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
