/** Cancels every task that has not ended, with a server of its own, as no other may run: cancelling is a protocol, not a write to a table. */
import { apiClient } from "../../cli/client.ts";
import { httpTransport } from "../../cli/transport.ts";
import type { OutputStream } from "../../cli/world.ts";
import type { Settings } from "../../config/settings.ts";
import { clock, ids } from "../clock.ts";
import { createLog } from "../logger.ts";
import { startServer } from "../server.ts";
import { VERSION } from "../version.ts";

/** An attempt whose node is gone waits for its quarantine (docs/protocol.md rule 6c): 80 s on a local file system. */
const DEADLINE_MS = 300_000;
const LOOK_MS = 500;
const OPEN = "QUEUED,PENDING_RESOURCES,SUBMITTING,SUBMITTED,RUNNING";

/** Resolves when all have ended. Throws when another server has the database, and at the deadline. */
export async function cancelOpenTasks(settings: Settings, stderr: OutputStream, signal: AbortSignal): Promise<void> {
  const stop = new AbortController();
  const adminToken = ids.hex(24);
  const own = { ...settings, host: "127.0.0.1", port: 0, tlsFiles: null };
  const server = await startServer(
    { settings: own, adminToken, failpoint: () => undefined, log: createLog("error") },
    AbortSignal.any([signal, stop.signal]),
  );
  try {
    const api = apiClient({ url: server.url, urlFrom: "reset-db", token: adminToken, tokenFrom: "reset-db" }, httpTransport(), VERSION);
    const open = async (): Promise<readonly string[]> =>
      (await api.call("listTasks", { query: { state: OPEN, limit: 200 } })).value.tasks.map((task) => task.task_id);
    const start = clock.monotonicMs();
    let told = -1;
    for (;;) {
      const left = await open();
      if (left.length === 0) return;
      if (left.length !== told) await stderr.write(`verlpool: cancelling ${left.length} tasks …\n`);
      told = left.length;
      for (const task_id of left) await api.call("cancelTask", { path: { task_id } });
      if (clock.monotonicMs() - start > DEADLINE_MS) throw new Error(`${left.length} tasks have not ended: ${left.join(", ")}`);
      await clock.sleep(LOOK_MS, signal);
    }
  } finally {
    stop.abort();
    await server.closed;
  }
}
