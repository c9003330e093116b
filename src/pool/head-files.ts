/** What an agent needs of shared storage to be head; main/ gives it, through a process that can be killed. Every call rejects when storage has trouble. */
import type { HeadBeat, HeadOwner, HeadReading, HeadRecord } from "../domain/head-record.ts";
import type { EpochClaim } from "../domain/head-watch.ts";

export type HeadFiles = {
  readonly look: () => Promise<{ readonly reading: HeadReading; readonly highest: EpochClaim | null }>;
  /** True = the epoch is ours. */
  readonly claim: (epoch: number, owner: HeadOwner) => Promise<boolean>;
  /** Publishes unless a higher epoch was taken; resolves to the highest epoch. `expiresInMs` is for people. */
  readonly beat: (record: HeadBeat | HeadRecord, expiresInMs: number) => Promise<number>;
  /** Says that the Ray of our epoch is dead. */
  readonly end: (epoch: number, owner: HeadOwner) => Promise<void>;
  readonly hasEnded: (epoch: number) => Promise<boolean>;
};
