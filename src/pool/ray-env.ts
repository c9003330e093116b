/** The environment Ray starts with. Every job inherits its raylet's whole environment, so nothing passes that is not named here. */
import { delimiter, dirname } from "node:path";
import { rayPlainEnv } from "./plain-env.ts";
import { POOL_TAG } from "./tagged-processes.ts";

/** Ray gives up its own start after 20 or 30 s, which a loaded machine needs for Python's imports alone (seen at load 20 on 2 cores). */
const PATIENT_START = {
  RAY_NUM_REDIS_GET_RETRIES: "120",
  RAY_DASHBOARD_STARTUP_TIMEOUT_S: "240",
  RAY_DASHBOARD_SUBPROCESS_MODULE_WAIT_READY_TIMEOUT: "240",
};

export type RayEnv = {
  /** What this program was started with; only known harmless names are taken from it. */
  readonly parentEnv: { readonly [name: string]: string | undefined };
  readonly python: string;
  /** `<pool>/<node>`. */
  readonly tag: string;
  /** Null = this Ray has no token authentication. */
  readonly tokenFile: string | null;
  /** Given by the operator on purpose. */
  readonly extra: { readonly [name: string]: string };
};

/** What head and workers share. The token goes by the path of its file, never by value. */
export function rayEnv(given: RayEnv): Record<string, string> {
  const path = given.parentEnv["PATH"] ?? "/usr/local/bin:/usr/bin:/bin";
  return {
    ...rayPlainEnv(given.parentEnv),
    PATH: `${dirname(given.python)}${delimiter}${path}`,
    // Said explicitly both ways: left unset, a stray ~/.ray/auth_token would turn it on.
    ...(given.tokenFile === null ? { RAY_AUTH_MODE: "disabled" } : { RAY_AUTH_MODE: "token", RAY_AUTH_TOKEN_PATH: given.tokenFile }),
    RAY_USAGE_STATS_ENABLED: "0",
    // A raylet with 64 logical CPUs would otherwise start 64 Python processes for the first driver.
    RAY_prestart_worker_first_driver: "0",
    // Ray's own metrics answer everybody, token or not, on every interface; nothing here reads them.
    RAY_enable_metrics_collection: "0",
    SPT_NOENV: "1",
    ...PATIENT_START,
    ...given.extra,
    [POOL_TAG]: given.tag,
  };
}

/** Where the GCS keeps what a killed head comes back with. */
export type GcsStorage =
  | { readonly kind: "none" }
  | { readonly kind: "rocksdb"; readonly dir: string }
  /** `address`: `host:port`; `namespace`: one Redis may serve several clusters. */
  | { readonly kind: "redis"; readonly address: string; readonly namespace: string };

/** What only the head needs: usage reports each second, and a GCS that survives the head. */
export function headEnv(gcs: GcsStorage): Record<string, string> {
  return {
    AUTOSCALER_UPDATE_INTERVAL_S: "1",
    // No such port can be bound: Ray notes that in its log and goes on without (2.51 and 2.60).
    AUTOSCALER_METRIC_PORT: "-1",
    DASHBOARD_METRIC_PORT: "-1",
    ...gcsEnv(gcs),
  };
}

function gcsEnv(gcs: GcsStorage): Record<string, string> {
  switch (gcs.kind) {
    case "none":
      return {};
    case "rocksdb":
      return { RAY_gcs_storage: "rocksdb", RAY_gcs_storage_path: gcs.dir };
    case "redis":
      return { RAY_REDIS_ADDRESS: gcs.address, RAY_external_storage_namespace: gcs.namespace };
  }
}

/** Workers and their jobs wait this long for a lost head: longer than a restart of it takes (measured: 8 s quiet, tens of seconds under load). */
export const WORKER_ENV: { readonly [name: string]: string } = { RAY_gcs_rpc_server_reconnect_timeout_s: "120" };
