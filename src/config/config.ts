/**
 * Configuration: flag over environment over file over default; every value knows where it came from (`verlpool config show`).
 * Keys are dotted; in the file they nest (`scheduler: {max_running_tasks: 2}`), in the environment `a.b_c` is VERLPOOL_A_B_C.
 */
import { z } from "zod";
import { QUEUE_ORDERS } from "../domain/queue-order.ts";
import { isMap, isScalar, parseDocument, type YAMLMap } from "yaml";

const path = z.string().regex(/^\//, "must be an absolute path");
const positiveInt = z.int().min(1);
const seconds = z.number().positive();

type Key = { readonly schema: z.ZodType; readonly fallback: unknown; readonly about: string; readonly secret?: true };

const key = (schema: z.ZodType, fallback: unknown, about: string): Key => ({ schema, fallback, about });

/** Every key there is. docs/configuration.md lists them (checked by a test). */
export const KEYS = {
  shared_root: key(path, "/private", "where this process sees /private"),
  "server.host": key(z.string().min(1), "127.0.0.1", "address the API listens on"),
  "server.port": key(z.int().min(0).max(65_535), 8080, "port of the API; 0 = any free one"),
  "server.tls_cert": key(path.nullable(), null, "PEM file of the API's certificate with its chain; null = plain HTTP"),
  "server.tls_key": key(path.nullable(), null, "PEM file of the certificate's key"),
  "server.max_connections": key(z.int().min(16), 3_000, "open connections; what waits longest for its request makes room"),
  "server.max_waiting_per_address": key(z.int().min(4), 1_000, "connections of one address that have sent no whole request"),
  "server.log_level": key(z.enum(["debug", "info", "warn", "error"]), "info", "least level that is logged"),
  "database.url": {
    ...key(z.string().min(1).nullable(), null, "null = sqlite:<shared_root>/common/db/mvp.sqlite3; postgres://… for several servers"),
    secret: true,
  },
  "auth.token_env": key(z.string().regex(/^[A-Z_][A-Z0-9_]*$/), "MVP_INTERNAL_TOKEN", "environment variable that holds the admin token"),
  "ray.address": key(z.url({ protocol: /^https?$/ }).nullable(), null, "URL of Ray's dashboard; null = from head.json"),
  "ray.token_file": key(path.nullable(), null, "file with Ray's cluster token; null = the one beside head.json, if there is one"),
  "pool.cluster": key(z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/), "default", "name of the cluster in discovery"),
  "pool.worker_root": key(path.nullable(), null, "where jobs see /private; null = shared_root"),
  "pool.python": key(z.string().regex(/^[A-Za-z0-9_./+-]+$/), "python3", "interpreter of launcher and driver on the workers"),
  "pool.max_nodes": key(positiveInt.nullable(), null, "no task may ask for more nodes; null = no ceiling"),
  "pool.max_gpus_per_node": key(positiveInt.nullable(), null, "no task may ask for more GPUs a node; null = no ceiling"),
  "pool.min_disk_free_gib": key(z.number().min(0), 2, "less left on a node's own disk, and no task is placed there; 0 = no floor"),
  "pool.cordon_after_failures": key(z.int().min(0), 2, "failures of a node in 24 h that cordon it; 0 = none do"),
  "scheduler.max_running_tasks": key(positiveInt, 1, "tasks that run at once"),
  "scheduler.retry_interval_s": key(seconds, 60, "wait between two looks for capacity"),
  "scheduler.tick_s": key(z.number().min(0.05).max(60), 1, "time between two scheduler passes"),
  "scheduler.order": key(z.enum(QUEUE_ORDERS), "priority", "fifo, priority, or fair: among equal priorities who used the least goes first"),
  "scheduler.fair_half_life_days": key(z.number().min(0.1).max(365), 7, "for the fair order: use counts half after so many days"),
  "scheduler.reserve_after_s": key(z.number().min(0), 3600, "capacity is kept for a gang that others have passed for this long"),
  "scheduler.start_timeout_s": key(seconds, 300, "an attempt that Ray has but that does not start is given up after this"),
  "scheduler.hand_over_s": key(z.number().min(0), 3, "for how long Ray must show an ended task's GPUs free before they are given away"),
  "attempts.max": key(z.int().min(0).max(100), 5, "infrastructure losses a task survives"),
  "attempts.backoff_s": key(seconds, 30, "first wait after an infrastructure loss; doubles each time"),
  "stalls.factor": key(z.number().min(1), 10, "a step that takes so many times the median of those before it is a stall"),
  "stalls.min_s": key(z.number().min(1), 600, "no wait for a step is a stall before this"),
  "stalls.first_step_s": key(z.number().min(1), 3600, "the same for the first step, and while the pace is not known"),
  "stalls.policy": key(z.enum(["mark", "resume"]), "mark", "resume: a stalled attempt is stopped and goes on from its newest checkpoint"),
  "lease.beat_s": key(seconds, 5, "how often a launcher renews its lease"),
  "lease.self_fence_s": key(seconds, 30, "a launcher that could not renew for so long ends its attempt; 180 on a network file system"),
  "lease.grace_s": key(seconds, 20, "between SIGTERM and SIGKILL"),
  "lease.stale_s": key(z.number().min(0), 0, "how long the storage may show old file content; 65 on a network file system"),
  "discovery.key_file": key(path.nullable(), null, "file with the key of head.json's MAC"),
  "limits.max_queued": key(z.int().min(0).nullable(), 50, "waiting tasks of a new user"),
  "limits.max_running": key(z.int().min(0).nullable(), null, "running tasks of a new user"),
  "limits.max_gpus": key(z.int().min(0).nullable(), null, "GPUs at once of a new user"),
  "limits.submits_per_minute": key(z.int().min(0).nullable(), null, "submissions a minute of a new user"),
  "limits.max_storage_gib": key(z.number().min(0).nullable(), null, "GiB in the job directories of a new user; null = no limit"),
  "limits.max_priority": key(z.int().min(-100).max(100), 0, "highest priority of a new user"),
  "limits.requests_per_second": key(
    z.number().min(0.1).max(10_000),
    10,
    "requests of one token; the admin and open routes: 10 times as many",
  ),
  "limits.burst": key(z.int().min(1).max(100_000), 50, "requests of one token at once; the admin and open routes: 10 times as many"),
  "limits.failed_logins_per_minute": key(z.int().min(1), 10, "of one token's beginning from one address; 10 times as many from an address"),
  "limits.streams": key(z.int().min(1), 5, "open log streams of one user; the admin: 10 times as many"),
  "retention.files_days": key(
    z.number().min(0).nullable(),
    null,
    "job directories of a task are removed so many days after its end; null = never",
  ),
  "retention.checkpoints_days": key(
    z.number().min(0).nullable(),
    null,
    "so many days after the end of a task only its newest checkpoints are left; null = all are",
  ),
  "retention.keep_checkpoints": key(positiveInt, 1, "so many complete checkpoints of a task are left then"),
  "retention.every_s": key(z.number().min(1).max(86_400), 600, "between two looks at what is old, and at how much each user has"),
  "taskspec.ignored_fields": key(z.array(z.string()), [], "old TaskSpec keys that are accepted with a warning"),
  "storage.allowed_symlink_targets": key(z.array(path), [], "directories outside /private/common that links in it may lead to"),
  "storage.min_free_gib": key(z.number().min(0), 2, "less left on the shared storage, and no task is started; 0 = no floor"),
  "storage.deadline_s": key(seconds, 10, "a storage call that takes longer counts as hung"),
} as const satisfies { readonly [name: string]: Key };

export type ConfigKey = keyof typeof KEYS;
export type Origin = "default" | "file" | "environment" | "flag";
export type Setting = { readonly value: unknown; readonly origin: Origin };
export type Config = { readonly [K in ConfigKey]: Setting };

export class ConfigError extends Error {
  override readonly name = "ConfigError";
}

export function isConfigKey(name: string): name is ConfigKey {
  return Object.hasOwn(KEYS, name);
}

export function environmentName(name: ConfigKey): string {
  return name === "shared_root" ? "VERLPOOL_ROOT" : `VERLPOOL_${name.toUpperCase().replaceAll(".", "_")}`;
}

export type ConfigSources = {
  readonly flags: { readonly [K in ConfigKey]?: unknown };
  readonly environment: { readonly [name: string]: string | undefined };
  readonly file: { readonly path: string; readonly text: string } | null;
};

/** Throws ConfigError naming the key, where it was set, and what is allowed. */
export function resolveConfig(sources: ConfigSources): Config {
  const file = sources.file === null ? new Map<string, unknown>() : readFile(sources.file.path, sources.file.text);
  const config: { [name: string]: Setting } = {};
  for (const [name, { schema, fallback }] of Object.entries(KEYS) as [ConfigKey, Key][]) {
    const flag = sources.flags[name];
    const variable = environmentName(name);
    const text = sources.environment[variable];
    if (flag !== undefined) config[name] = { value: check(name, schema, flag, "the command line"), origin: "flag" };
    else if (text !== undefined && text !== "")
      config[name] = { value: check(name, schema, fromText(schema, text), variable), origin: "environment" };
    else if (file.has(name)) config[name] = { value: check(name, schema, file.get(name), sources.file?.path ?? ""), origin: "file" };
    else config[name] = { value: fallback, origin: "default" };
  }
  return config as Config;
}

/** The tag of the processes of a pool (pool/tagged-processes.ts). */
const POOL_TAG = "VERLPOOL_POOL_NODE";

/** Variables that look like a setting of a section there is, and are none: a mistyped one would do nothing and say nothing. */
export function strayVariables(environment: ConfigSources["environment"]): readonly string[] {
  const names = Object.keys(KEYS) as ConfigKey[];
  const known = new Set([POOL_TAG, ...names.map(environmentName)]);
  const sections = new Set(names.flatMap((name) => (name.includes(".") ? [`VERLPOOL_${name.split(".")[0]?.toUpperCase()}_`] : [])));
  return Object.keys(environment).filter((name) => !known.has(name) && [...sections].some((section) => name.startsWith(section)));
}

function check(name: ConfigKey, schema: z.ZodType, value: unknown, where: string): unknown {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const why = [...new Set(parsed.error.issues.map(words))].join("; ");
  // A secret may be what is wrong with it.
  const found = "secret" in KEYS[name] ? "what is given" : JSON.stringify(value);
  throw new ConfigError(`${name} (${where}): ${found} ${why}; it is: ${KEYS[name].about}`);
}

const KINDS: { readonly [expected: string]: string } = { int: "whole number", array: "list" };

function words(issue: z.core.$ZodIssue): string {
  if (issue.code === "invalid_type") return `is no ${KINDS[issue.expected] ?? issue.expected}`;
  if (issue.code === "too_small") return issue.origin === "string" ? "is empty" : `is below ${issue.minimum}`;
  if (issue.code === "too_big") return `is above ${issue.maximum}`;
  return issue.code === "invalid_value" ? `is none of ${issue.values.join(", ")}` : `is not valid (${issue.message})`;
}

/** Environment values are text: a number, a list with commas, or null is meant where the key is one. */
function fromText(schema: z.ZodType, text: string): unknown {
  if (schema.safeParse(text).success) return text;
  if (text === "null") return null;
  if (schema.safeParse([]).success) return text.split(",").map((part) => part.trim());
  return text.trim() !== "" && Number.isFinite(Number(text)) ? Number(text) : text;
}

function readFile(where: string, text: string): Map<string, unknown> {
  const document = parseDocument(text, { uniqueKeys: true });
  const [error] = document.errors;
  if (error !== undefined) throw new ConfigError(`${where}: ${error.message}`);
  const values = new Map<string, unknown>();
  if (document.contents === null) return values;
  if (!isMap(document.contents)) throw new ConfigError(`${where}: must be a mapping of keys to values`);
  collect(document.contents, "", where, values);
  return values;
}

function collect(map: YAMLMap, prefix: string, where: string, values: Map<string, unknown>): void {
  for (const pair of map.items) {
    const name = prefix + String(isScalar(pair.key) ? pair.key.value : pair.key);
    if (isConfigKey(name)) values.set(name, pair.value === null ? null : (pair.value as { toJSON: () => unknown }).toJSON());
    else if (isMap(pair.value)) collect(pair.value, `${name}.`, where, values);
    else throw new ConfigError(`${where}: unknown key ${name}; verlpool config show lists the keys there are`);
  }
}
