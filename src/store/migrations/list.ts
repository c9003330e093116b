import { initial } from "./0001-initial.ts";
import { auditAndRotation } from "./0002-audit-and-rotation.ts";
import { passedSince } from "./0003-passed-since.ts";
import { operator } from "./0004-operator.ts";
import { retryAndRequeue } from "./0005-retry-and-requeue.ts";
import { nodeWishes } from "./0006-node-wishes.ts";
import { usageSplit } from "./0007-usage-split.ts";
import { exportAndRetention } from "./0008-export-and-retention.ts";
import type { Migration } from "./migration.ts";

/** Every step in order, without gaps; the last version is what this program writes. */
export const MIGRATIONS: readonly Migration[] = [
  initial,
  auditAndRotation,
  passedSince,
  operator,
  retryAndRequeue,
  nodeWishes,
  usageSplit,
  exportAndRetention,
];
