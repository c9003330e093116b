/** Reads the configuration of this process: flags, environment, file, defaults. */
import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { type Config, ConfigError, type ConfigKey, resolveConfig } from "../config/config.ts";

export type Environment = { readonly [name: string]: string | undefined };

export type LoadedConfig = { readonly config: Config; readonly file: string | null };

/** `--config`, else VERLPOOL_CONFIG, else `<shared_root>/common/verlpool/verlpool.yaml` if it exists. Throws ConfigError. */
export function loadConfig(
  configFlag: string | null,
  flags: { readonly [K in ConfigKey]?: unknown },
  environment: Environment,
): LoadedConfig {
  const root = resolveConfig({ flags, environment, file: null }).shared_root.value as string;
  const named = configFlag ?? (environment["VERLPOOL_CONFIG"] === "" ? undefined : environment["VERLPOOL_CONFIG"]) ?? null;
  const path = named === null ? `${root}/common/verlpool/verlpool.yaml` : resolve(named);
  if (named !== null && !existsSync(path)) throw new ConfigError(`there is no configuration file ${path}`);
  const file = existsSync(path) ? { path, text: readFileSync(path, "utf8") } : null;
  return { config: resolveConfig({ flags, environment, file }), file: file?.path ?? null };
}
