export type SpecLines = { readonly [field: string]: string };

/** The lines of a TaskSpec that holds, field → YAML text of its value. */
export const GOOD: SpecLines = {
  workload: "ppo",
  code_path: "/private/common/code/verl-0.9.1",
  model_id: "Qwen/Qwen2.5-0.5B-Instruct",
  train_file: "/private/common/datasets/gsm8k/train.parquet",
  val_file: "/private/common/datasets/gsm8k/test.parquet",
};

/** A TaskSpec with some values replaced or added; null takes a field out. */
export function specText(changes: { readonly [field: string]: string | null } = {}): string {
  return Object.entries({ ...GOOD, ...changes })
    .filter(([, value]) => value !== null)
    .map(([field, value]) => `${field}: ${value ?? ""}\n`)
    .join("");
}
