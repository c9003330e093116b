/** What the agents of a pool ask of shared storage, as operations (operations.ts): becoming head, staying it, the cluster's token. */
import { mkdirSync, statfsSync } from "node:fs";
import type { HeadBeat, HeadOwner, HeadReading, HeadRecord } from "../domain/head-record.ts";
import { networkFileSystem } from "../domain/network-file-systems.ts";
import { beatHead, claimEpoch, endEpoch, hasEpochEnded, type HeadLookFiles, lookAtHead } from "./head-epochs.ts";
import { discoveryDir, discoveryFile, type HeadTrust, readHeadFile } from "./head-file.ts";
import { ensureRayToken, readRayToken } from "./ray-token.ts";

type Cluster = { readonly cluster: string };
type Claiming = Cluster & { readonly epoch: number; readonly owner: HeadOwner; readonly at: string };

export type HeadOperations = {
  readonly readHead: { readonly args: Cluster & { readonly trust: HeadTrust }; readonly result: HeadReading };
  readonly lookAtHead: { readonly args: Cluster & { readonly trust: HeadTrust }; readonly result: HeadLookFiles };
  /** True = the epoch is ours. */
  readonly claimEpoch: { readonly args: Claiming; readonly result: boolean };
  /** The highest epoch that anybody took; the beat was written when that is the record's own. */
  readonly beatHead: {
    readonly args: Cluster & {
      readonly record: HeadBeat | HeadRecord;
      readonly times: { readonly publishedAt: string; readonly expiresAt: string };
      readonly key: string | null;
    };
    readonly result: number;
  };
  readonly endEpoch: { readonly args: Claiming; readonly result: null };
  readonly hasEpochEnded: { readonly args: Cluster & { readonly epoch: number }; readonly result: boolean };
  readonly ensureRayToken: {
    readonly args: Cluster & { readonly uid: number; readonly token: string; readonly tag: string };
    readonly result: string;
  };
  readonly readRayToken: { readonly args: Cluster & { readonly uid: number }; readonly result: string | null };
  /** The name of the network file system that the cluster's discovery lies on; null = a local one. Makes the directory. */
  readonly discoveryFileSystem: { readonly args: Cluster; readonly result: string | null };
};

type Table = {
  readonly [N in keyof HeadOperations]: (
    config: { readonly sharedRoot: string },
    args: HeadOperations[N]["args"],
  ) => HeadOperations[N]["result"];
};

export const HEAD_OPERATIONS: Table = {
  readHead: ({ sharedRoot }, { cluster, trust }) => readHeadFile(discoveryFile(sharedRoot, cluster, "head.json"), trust),
  lookAtHead: ({ sharedRoot }, { cluster, trust }) => lookAtHead(sharedRoot, cluster, trust),
  claimEpoch: ({ sharedRoot }, { cluster, epoch, owner, at }) => claimEpoch(sharedRoot, cluster, epoch, owner, at),
  beatHead: ({ sharedRoot }, { cluster, record, times, key }) => beatHead(sharedRoot, cluster, record, times, key),
  endEpoch: ({ sharedRoot }, { cluster, epoch, owner, at }) => (endEpoch(sharedRoot, cluster, epoch, owner, at), null),
  hasEpochEnded: ({ sharedRoot }, { cluster, epoch }) => hasEpochEnded(sharedRoot, cluster, epoch),
  ensureRayToken: ({ sharedRoot }, { cluster, uid, token, tag }) => ensureRayToken(sharedRoot, cluster, uid, token, tag),
  readRayToken: ({ sharedRoot }, { cluster, uid }) => readRayToken(sharedRoot, cluster, uid),
  discoveryFileSystem: ({ sharedRoot }, { cluster }) => {
    const dir = discoveryDir(sharedRoot, cluster);
    mkdirSync(dir, { recursive: true, mode: 0o755 });
    return networkFileSystem(statfsSync(dir).type);
  },
};
