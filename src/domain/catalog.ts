/** What a TaskSpec can name: code trees, models and data sets that lie under /private/common. Pure types. */
import type { DataFile } from "./preflight.ts";
import type { Workload } from "./types.ts";

export type CatalogCode = { readonly path: string; readonly verlVersion: string | null };
/** `modelId` is what the spec takes: a canonical path, or the id of a repository in the offline cache. */
export type CatalogModel = { readonly modelId: string; readonly parameters: number | null };
export type CatalogData = { readonly path: string; readonly bytes: number; readonly file: DataFile };

export type Catalog = {
  readonly code: readonly CatalogCode[];
  readonly models: readonly CatalogModel[];
  readonly datasets: readonly CatalogData[];
  /** There is more than was looked at. */
  readonly truncated: boolean;
};

/** Which workloads a file has the columns for, with verl's own column names. */
export function workloadsOf(file: DataFile): readonly Workload[] {
  if (file.kind !== "parquet") return [];
  const has = (name: string, shape?: string): boolean =>
    file.columns.some((column) => column.name === name && (shape === undefined || column.shape === shape));
  const rl: readonly Workload[] = has("prompt", "messages") && has("data_source") && has("reward_model") ? ["ppo", "grpo"] : [];
  return [...rl, ...(has("messages", "messages") ? (["sft"] as const) : [])];
}
