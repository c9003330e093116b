/** head.json and its epochs for the agents of a pool, over calls to shared storage. */
import type { Clock } from "../../control/ports.ts";
import type { HeadFiles } from "../../pool/head-files.ts";
import type { HeadTrust } from "../../storage/head-file.ts";
import type { CallStorage } from "../../storage/storage-client.ts";

export function headFiles(call: CallStorage, cluster: string, trust: HeadTrust, clock: Clock): HeadFiles {
  const iso = (at: number): string => new Date(at).toISOString();
  return {
    look: () => call("lookAtHead", { cluster, trust }),
    claim: (epoch, owner) => call("claimEpoch", { cluster, epoch, owner, at: iso(clock.now()) }),
    beat: (record, expiresInMs) => {
      const at = clock.now();
      const times = { publishedAt: iso(at), expiresAt: iso(at + expiresInMs) };
      return call("beatHead", { cluster, record, times, key: trust.key });
    },
    end: async (epoch, owner) => void (await call("endEpoch", { cluster, epoch, owner, at: iso(clock.now()) })),
    hasEnded: (epoch) => call("hasEpochEnded", { cluster, epoch }),
  };
}

/** Records of our own uid and of root are believed. `key`: the content of discovery.key_file. */
export function ownTrust(key: string | null): HeadTrust {
  return { uid: process.getuid?.() ?? 0, key };
}
