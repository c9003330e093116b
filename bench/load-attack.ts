/** The other side of bench/load.ts, in a process of its own: half-open connections that come back when they are closed, and one client that asks too often. */
import { connect, type Socket } from "node:net";
import { Pool } from "undici";

const [, , url = "", aliceToken = "", halfOpen = "0", perSecond = "0"] = process.argv;
const { hostname, port } = new URL(url);
/** Between the close of a half-open connection and its next try: uniform about a second, as those of many machines are. */
const againMs = (): number => 500 + Math.random() * 1_000;

const held = new Set<Socket>();
const counts = { opened: 0, closed: 0, passed: 0, limited: 0, failed: 0 };

function hold(n: number): void {
  const socket = connect(Number(port), hostname);
  held.add(socket);
  socket.on("connect", () => {
    counts.opened += 1;
    if (n % 2 === 0) socket.write("POST /api/v2/tasks HTTP/1.1\r\nHost: x\r\nContent-Type: appl");
  });
  socket.on("error", () => undefined).resume();
  socket.on("close", () => {
    held.delete(socket);
    counts.closed += 1;
    setTimeout(() => hold(n), againMs());
  });
}

async function hammer(pool: Pool): Promise<void> {
  try {
    const answer = await pool.request({ method: "GET", path: "/api/v2/tasks", headers: { authorization: `Bearer ${aliceToken}` } });
    await answer.body.dump();
    if (answer.statusCode === 429) counts.limited += 1;
    else counts.passed += 1;
  } catch {
    counts.failed += 1;
  }
}

for (let n = 0; n < Number(halfOpen); n += 1) hold(n);
const pool = new Pool(url, { connections: 8 });
const began = performance.now();
let asked = 0;
setInterval(() => {
  const due = ((performance.now() - began) / 1000) * Number(perSecond);
  for (; asked < due; asked += 1) void hammer(pool);
}, 5);
setInterval(() => process.send?.({ ...counts, held: held.size }), 500);
process.on("disconnect", () => process.exit(0));
