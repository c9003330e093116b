/** What the use cases need from the world about nodes: the second half of ports.ts. */
import type { AuditEntry } from "../domain/audit.ts";
import type { NodeRecord, NodeWant } from "../domain/node-record.ts";
import type { NodeFailure, NodeWish } from "../domain/node-wishes.ts";

export type WishChange = {
  readonly set: readonly NodeWish[];
  readonly remove: readonly string[];
  readonly audit: AuditEntry | null;
};

export type NodeStore = {
  /** Every wish there is, by node. */
  readonly wishes: () => Promise<readonly NodeWish[]>;
  /** `change` sees the wishes as they stand in the transaction; null = nothing to change. True when it changed something. */
  readonly changeWishes: (change: (wishes: readonly NodeWish[]) => WishChange | null, epoch: number | null) => Promise<boolean>;
  /** Attempts with a failure that ended on a known node at or after `since`, oldest first. */
  readonly failures: (since: number) => Promise<readonly NodeFailure[]>;
};

export type NodeReadings = {
  /** Every node that has a file, readable or not. */
  readonly names: readonly string[];
  /** What can be read and believed now; of a torn or hostile file nothing. */
  readonly records: readonly NodeRecord[];
  /** The wishes that stand there; null = a file that can't be read. */
  readonly wants: readonly { readonly node: string; readonly want: NodeWant | null }[];
};

/** `nodes/` of discovery: what agents say of their nodes, and what is wanted of them. Every call throws StorageTrouble. */
export type NodeFiles = {
  readonly read: () => Promise<NodeReadings>;
  readonly want: (node: string, want: NodeWant) => Promise<void>;
  /** Removes what a node that is gone has left there. */
  readonly forget: (node: string) => Promise<void>;
  /** What is left on the shared storage for this uid, in bytes. */
  readonly freeBytes: () => Promise<number>;
};
