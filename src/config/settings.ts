/** The configuration as the program uses it: typed, in the units of the code. */
import type { QueueOrder } from "../domain/queue-order.ts";
import type { Limits } from "../domain/types.ts";
import { type Config, ConfigError, type ConfigKey } from "./config.ts";

export type Settings = {
  readonly sharedRoot: string;
  readonly workerRoot: string;
  readonly host: string;
  readonly port: number;
  /** Null = plain HTTP. */
  readonly tlsFiles: { readonly cert: string; readonly key: string } | null;
  readonly connections: number;
  readonly waitingOfOneAddress: number;
  readonly requests: {
    readonly perSecond: number;
    readonly burst: number;
    readonly failedLoginsPerMinute: number;
    readonly streams: number;
  };
  readonly logLevel: "debug" | "info" | "warn" | "error";
  readonly databaseUrl: string;
  readonly adminTokenVariable: string;
  readonly rayAddress: string | null;
  readonly rayTokenFile: string | null;
  readonly cluster: string;
  readonly python: string;
  readonly poolCeiling: { readonly maxNodes: number | null; readonly maxGpusPerNode: number | null };
  readonly maxRunningTasks: number;
  readonly retryIntervalMs: number;
  readonly tickMs: number;
  readonly order: QueueOrder["by"];
  readonly fairHalfLifeDays: number;
  readonly reserveAfterMs: number;
  readonly startTimeoutMs: number;
  readonly handOverMs: number;
  readonly maxLosses: number;
  readonly backoffMs: number;
  readonly stalls: { readonly factor: number; readonly minMs: number; readonly firstStepMs: number; readonly policy: "mark" | "resume" };
  readonly beatS: number;
  readonly selfFenceS: number;
  readonly graceS: number;
  readonly staleS: number;
  readonly discoveryKeyFile: string | null;
  readonly defaultLimits: Limits;
  readonly ignoredFields: readonly string[];
  readonly allowedSymlinkTargets: readonly string[];
  readonly storageDeadlineMs: number;
  readonly minFreeBytes: number;
  readonly minNodeFreeBytes: number;
  readonly cordonAfterFailures: number;
  readonly retention: {
    readonly filesMs: number | null;
    readonly checkpointsMs: number | null;
    readonly keepCheckpoints: number;
    readonly everyMs: number;
  };
};

function tlsFiles(cert: string | null, key: string | null): Settings["tlsFiles"] {
  if (cert === null && key === null) return null;
  if (cert !== null && key !== null) return { cert, key };
  const [given, missing] = cert === null ? ["server.tls_key", "server.tls_cert"] : ["server.tls_cert", "server.tls_key"];
  throw new ConfigError(`${given} is set, but ${missing} is not: TLS needs both, plain HTTP neither`);
}

/** Throws ConfigError for what only several keys together show. */
export function settingsOf(config: Config): Settings {
  // Each value was checked by its key's schema when the configuration was resolved.
  const get = <T>(name: ConfigKey): T => config[name].value as T;
  const ms = (name: ConfigKey): number => Math.round(get<number>(name) * 1000);
  const days = (name: ConfigKey): number | null => {
    const value = get<number | null>(name);
    return value === null ? null : value * 86_400_000;
  };
  const sharedRoot = get<string>("shared_root").replace(/(?<=.)\/+$/, "");
  return {
    sharedRoot,
    workerRoot: get<string | null>("pool.worker_root") ?? sharedRoot,
    host: get("server.host"),
    port: get("server.port"),
    tlsFiles: tlsFiles(get("server.tls_cert"), get("server.tls_key")),
    connections: get("server.max_connections"),
    waitingOfOneAddress: get("server.max_waiting_per_address"),
    requests: {
      perSecond: get("limits.requests_per_second"),
      burst: get("limits.burst"),
      failedLoginsPerMinute: get("limits.failed_logins_per_minute"),
      streams: get("limits.streams"),
    },
    logLevel: get("server.log_level"),
    databaseUrl: get<string | null>("database.url") ?? `sqlite:${sharedRoot}/common/db/mvp.sqlite3`,
    adminTokenVariable: get("auth.token_env"),
    rayAddress: get("ray.address"),
    rayTokenFile: get("ray.token_file"),
    cluster: get("pool.cluster"),
    python: get("pool.python"),
    poolCeiling: { maxNodes: get("pool.max_nodes"), maxGpusPerNode: get("pool.max_gpus_per_node") },
    maxRunningTasks: get("scheduler.max_running_tasks"),
    retryIntervalMs: ms("scheduler.retry_interval_s"),
    tickMs: ms("scheduler.tick_s"),
    order: get("scheduler.order"),
    fairHalfLifeDays: get("scheduler.fair_half_life_days"),
    reserveAfterMs: ms("scheduler.reserve_after_s"),
    startTimeoutMs: ms("scheduler.start_timeout_s"),
    handOverMs: ms("scheduler.hand_over_s"),
    maxLosses: get("attempts.max"),
    backoffMs: ms("attempts.backoff_s"),
    stalls: {
      factor: get("stalls.factor"),
      minMs: ms("stalls.min_s"),
      firstStepMs: ms("stalls.first_step_s"),
      policy: get("stalls.policy"),
    },
    beatS: get("lease.beat_s"),
    selfFenceS: get("lease.self_fence_s"),
    graceS: get("lease.grace_s"),
    staleS: get("lease.stale_s"),
    discoveryKeyFile: get("discovery.key_file"),
    defaultLimits: {
      maxQueued: get("limits.max_queued"),
      maxRunning: get("limits.max_running"),
      maxGpus: get("limits.max_gpus"),
      submitsPerMinute: get("limits.submits_per_minute"),
      maxStorageGib: get("limits.max_storage_gib"),
      maxPriority: get("limits.max_priority"),
    },
    ignoredFields: get("taskspec.ignored_fields"),
    allowedSymlinkTargets: get("storage.allowed_symlink_targets"),
    storageDeadlineMs: ms("storage.deadline_s"),
    minFreeBytes: get<number>("storage.min_free_gib") * 2 ** 30,
    minNodeFreeBytes: get<number>("pool.min_disk_free_gib") * 2 ** 30,
    cordonAfterFailures: get("pool.cordon_after_failures"),
    retention: {
      filesMs: days("retention.files_days"),
      checkpointsMs: days("retention.checkpoints_days"),
      keepCheckpoints: get("retention.keep_checkpoints"),
      everyMs: ms("retention.every_s"),
    },
  };
}

/** Q of rule 6c: self_fence + grace + how stale the storage may be + 30 s. */
export function quarantineMs(settings: Settings): number {
  return (settings.selfFenceS + settings.graceS + settings.staleS + 30) * 1000;
}
