import { createServer } from "node:net";

/** Below Linux's ephemeral range (32768…60999), so that no outgoing connection takes a port between our look and Ray's bind. */
const FIRST = 20_000;
const LAST = 32_000;

/** `count` different ports on which nobody listens now, searched from a place that `seed` picks. Checked on all addresses, because Ray's GCS and raylets bind `*`. */
export async function chooseFreePorts(count: number, seed: number, except: readonly number[] = []): Promise<readonly number[]> {
  const ports: number[] = [];
  const span = LAST - FIRST;
  for (let step = 0; step < span && ports.length < count; step += 1) {
    const port = FIRST + ((seed + step) % span);
    if (!except.includes(port) && (await isFree(port))) ports.push(port);
  }
  if (ports.length < count) throw new Error(`fewer than ${count} ports are free between ${FIRST} and ${LAST}: stop what holds them`);
  return ports;
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen({ port, host: "0.0.0.0", exclusive: true }, () => server.close(() => resolve(true)));
  });
}
