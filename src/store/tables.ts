/** Rows as both databases hold them: times are epoch ms, flags are 0 or 1, structures are JSON text. Pages of the wire never see these. */
import type { Generated } from "kysely";
import type { UseKind } from "../domain/held-time.ts";
import type { AttemptState, EventType, TaskState, TokenScope, UserState, Workload } from "../domain/types.ts";

export type TaskTable = {
  task_id: string;
  /** The id backwards, so that a suffix is found by a range of an index. */
  id_reversed: string;
  user_id: string;
  workload: Workload;
  state: TaskState;
  version: number;
  /** The leader epoch of the last scheduler write; null until there is one. */
  epoch: number | null;
  priority: number;
  name: string | null;
  labels: string;
  spec_text: string;
  spec: string;
  profile: string;
  needs: string;
  attempts: number;
  held: number;
  next_run_at: number | null;
  passed_since: number | null;
  cancel_requested_at: number | null;
  cancel_actor: string | null;
  requeue: string | null;
  waiting: string | null;
  failure: string | null;
  progress: string | null;
  deadline: number | null;
  max_runtime_ms: number | null;
  retry_of: string | null;
  from_scratch: Generated<number>;
  export_of: string | null;
  kept: number;
  files_gone_at: number | null;
  /** When retention gave up its old checkpoints. */
  pruned_at: number | null;
  /** 0 while files that were given up still lie there. */
  is_cleared: number;
  created_at: number;
  started_at: number | null;
  ended_at: number | null;
  seq: Generated<number>;
};

export type AttemptTable = {
  task_id: string;
  attempt: number;
  user_id: string;
  submission_id: string;
  state: AttemptState;
  quarantined: number;
  stalled: number;
  epoch: number | null;
  node: string | null;
  ray_session: string | null;
  claim_nonce: string | null;
  declared_dead: string | null;
  placement: string;
  evidence: string | null;
  exit_code: number | null;
  signal: string | null;
  failure: string | null;
  resumed_from: string | null;
  use_marks: string | null;
  counted_gpu_ms: Generated<number>;
  created_at: number;
  submitted_at: number | null;
  started_at: number | null;
  ended_at: number | null;
};

export type EventTable = {
  task_id: string;
  seq: number;
  attempt: number | null;
  at: number;
  actor: string;
  type: EventType;
  from_state: TaskState | null;
  to_state: TaskState | null;
  reason: string | null;
  data: string;
};

export type UserTable = { user_id: string; display_name: string | null; state: UserState; limits: string; created_at: number };

export type TokenTable = {
  token_id: string;
  user_id: string;
  name: string;
  scope: TokenScope;
  hash: string;
  last4: string;
  created_at: number;
  expires_at: number | null;
  revoked_at: number | null;
  last_used_at: number | null;
  replaced_by: string | null;
};

export type AuditTable = {
  id: Generated<number>;
  at: number;
  actor: string;
  action: string;
  target: string;
  data: string;
  user_id: string | null;
  from_address: string | null;
  token_id: string | null;
  request_id: string | null;
};

export type NodeWishTable = {
  node: string;
  cordon: number;
  drain: number;
  actor: string;
  reason: string | null;
  gpu_uuids: string;
  at: number;
};

/** GPU-milliseconds. */
export type UsageSplitTable = { day: string; user_id: string; workload: Workload; node: string } & { -readonly [kind in UseKind]: number };

export type Tables = {
  users: UserTable;
  tokens: TokenTable;
  tasks: TaskTable;
  /** How many tasks a user has in a state: kept in the transaction that moves a task, so no count reads history. */
  task_counts: { user_id: string; state: TaskState; n: number };
  attempts: AttemptTable;
  events: EventTable;
  idempotency: { user_id: string; key: string; body_hash: string; task_id: string; answer: string; created_at: number };
  audit: AuditTable;
  usage: { user_id: string; day: string; gpu_ms: number };
  usage_split: UsageSplitTable;
  storage_use: { user_id: string; bytes: number; measured_at: number };
  node_wishes: NodeWishTable;
  queue_pause: { one: number; at: number; actor: string; reason: string | null };
  leader: { one: number; epoch: number; owner: string | null; at: number | null };
  meta: { key: string; value: string };
};
