/** `pool apply --watch`: a round each minute for ever; an agent that stays silent is killed less and less often. */
import type { HostsFile } from "../../domain/pool-hosts.ts";
import { applyRound, type ApplyWorld, type HostRow } from "./apply.ts";

export type Watch = {
  /** Read anew before each round, so that an edit counts from the next one on; null = it can't be used now, keep the last. */
  readonly file: () => Promise<HostsFile | null>;
  readonly everyMs: number;
  readonly force: boolean;
  /** `changed`: rows that are new, look otherwise than in the round before, or were acted on. */
  readonly onRound: (rows: readonly HostRow[], changed: readonly HostRow[]) => Promise<void>;
};

/** Resolves at the signal. */
export async function watchHosts(world: ApplyWorld, first: HostsFile, watch: Watch, signal: AbortSignal): Promise<void> {
  const patience = killPatience(world.clock.monotonicMs, watch.everyMs);
  let file = first;
  let last = new Map<string, string>();
  try {
    for (;;) {
      const started = world.clock.monotonicMs();
      const rows = await applyRound(world, file, { force: watch.force, mayKill: patience.mayKill }, signal);
      patience.note(rows);
      await watch.onRound(
        rows,
        rows.filter((row) => row.did !== null || last.get(row.name) !== faceOf(row)),
      );
      last = new Map(rows.map((row) => [row.name, faceOf(row)]));
      await world.clock.sleep(Math.max(0, watch.everyMs - (world.clock.monotonicMs() - started)), signal);
      file = (await watch.file()) ?? file;
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

/** Seconds in a reason are no change. */
function faceOf(row: HostRow): string {
  return JSON.stringify([row.state, row.ok, row.why?.replaceAll(/\d+ s\b/g, "")]);
}

const LONGEST_FACTOR = 32;

/** After each kill that did not help, the wait before the next one doubles: 1, 2, 4 … 32 rounds. A host that is well again starts anew. */
export function killPatience(monotonicMs: () => number, everyMs: number) {
  const kills = new Map<string, { readonly count: number; readonly notBefore: number }>();
  return {
    mayKill: (name: string): boolean => (kills.get(name)?.notBefore ?? 0) <= monotonicMs(),
    note: (rows: readonly HostRow[]): void => {
      for (const row of rows) {
        if (row.did?.startsWith("killed") === true) {
          const count = (kills.get(row.name)?.count ?? 0) + 1;
          kills.set(row.name, { count, notBefore: monotonicMs() + everyMs * Math.min(2 ** (count - 1), LONGEST_FACTOR) });
        } else if (row.ok && row.state !== "started") kills.delete(row.name);
      }
    },
  };
}
