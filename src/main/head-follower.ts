/** Where Ray's dashboard is: from the configuration, or from head.json as it moves. The last good one is kept while the file can't be read. */
import type { Clock, Log } from "../control/ports.ts";
import type { HeadReading } from "../domain/head-record.ts";

export type HeadFollower = {
  readonly baseUrl: () => string | null;
  readonly address: () => string | null;
  readonly run: (signal: AbortSignal) => Promise<void>;
};

const EVERY_MS = 1_000;

export function fixedHead(url: string): HeadFollower {
  return { baseUrl: () => url, address: () => null, run: () => Promise.resolve() };
}

export function headFollower(read: () => Promise<HeadReading>, clock: Clock, log: Log): HeadFollower {
  let url: string | null = null;
  let address: string | null = null;
  let complaint = "";
  const look = async (): Promise<void> => {
    const reading = await read();
    if (reading.kind === "unreadable" && reading.why !== complaint)
      log.warn({ why: reading.why }, "head.json is not to be believed; the last good one is kept");
    complaint = reading.kind === "unreadable" ? reading.why : "";
    if (reading.kind !== "ok") return;
    if (reading.head.dashboardUrl !== url)
      log.info({ epoch: reading.head.epoch, session: reading.head.session }, "following the head that head.json names");
    url = reading.head.dashboardUrl;
    address = reading.head.address;
  };
  return {
    baseUrl: () => url,
    address: () => address,
    run: async (signal) => {
      while (!signal.aborted) {
        try {
          await look();
        } catch (error) {
          log.debug({ error: String(error) }, "head.json can't be read now");
        }
        await clock.sleep(EVERY_MS, signal).catch(() => undefined);
      }
    },
  };
}
