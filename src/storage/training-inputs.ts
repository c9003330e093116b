/** What a task would train on: footers of its parquet files, its model's config.json, and which checks its code tree has. Synchronous. */
import { closeSync, constants, fstatSync, openSync, readdirSync, realpathSync, statSync } from "node:fs";
import { parquetMetadata, parquetSchema, type SchemaTree } from "hyparquet";
import type { DataColumn, DataFile, FileIdentity, ModelFiles, TrainingInputs } from "../domain/preflight.ts";
import type { TaskSpec } from "../domain/types.ts";
import { absentIsNull, cachedSnapshot, type CommonRoot, isAllowed, realCommon } from "./common-directory.ts";
import { readAt, readSmall } from "./regular-file.ts";

export type InputPaths = Pick<TaskSpec, "codePath" | "modelId" | "trainFile" | "valFile">;

/** A footer grows with columns × row groups; one of 16 MiB is no data set that verl can load in its time. */
const MAX_FOOTER_BYTES = 16 * 1024 * 1024;
const MAX_SOURCE_BYTES = 1024 * 1024;
const MAX_CONFIG_BYTES = 1024 * 1024;

/** verl's own data set, at the same place in each release from 0.3 to 0.9. */
const RL_DATASET = "verl/utils/dataset/rl_dataset.py";
/** Where its releases keep the assertion on the batch: the first up to 0.6, the second since. */
const BATCH_CHECKS = ["verl/trainer/ppo/ray_trainer.py", "verl/utils/config.py"];
const BATCH_MESSAGE = "must be divisible by minimal possible batch size";
const BYTES_OF_TYPE: { readonly [type: string]: number } = { float32: 4, float16: 2, bfloat16: 2, float64: 8 };

export function readTrainingInputs(common: CommonRoot, paths: InputPaths): TrainingInputs {
  return {
    isVerl: isFile(common, `${paths.codePath}/${RL_DATASET}`),
    checksBatch: BATCH_CHECKS.some((name) => sourceOf(common, `${paths.codePath}/${name}`).includes(BATCH_MESSAGE)),
    train: readDataFile(common, paths.trainFile),
    val: paths.valFile === null ? null : readDataFile(common, paths.valFile),
    model: readModel(common, paths.modelId),
    identity: { train: identityOf(common, paths.trainFile), val: paths.valFile === null ? null : identityOf(common, paths.valFile) },
  };
}

function isFile(common: CommonRoot, path: string): boolean {
  const real = realCommon(common, path);
  return real !== null && statSync(real).isFile();
}

function sourceOf(common: CommonRoot, path: string): string {
  const real = realCommon(common, path);
  if (real === null || !statSync(real).isFile() || statSync(real).size > MAX_SOURCE_BYTES) return "";
  return readSmall(real, MAX_SOURCE_BYTES)?.toString() ?? "";
}

function identityOf(common: CommonRoot, path: string): FileIdentity | null {
  const real = realCommon(common, path);
  if (real === null) return null;
  const { size, mtimeMs } = statSync(real);
  return { bytes: size, modifiedAt: Math.round(mtimeMs) };
}

/** Rows and columns by the footer. */
export function readDataFile(common: CommonRoot, path: string): DataFile {
  const real = realCommon(common, path);
  if (real === null) return { kind: "unreadable", why: "it is not there" };
  const fd = openSync(real, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  try {
    const stats = fstatSync(fd);
    if (!stats.isFile()) return { kind: "unreadable", why: "it is no regular file" };
    return readFooter(fd, stats.size);
  } finally {
    closeSync(fd);
  }
}

/** Parquet ends with the footer, its length in 4 bytes (little endian), and `PAR1`; nothing else is read. */
function readFooter(fd: number, size: number): DataFile {
  const tail = size < 12 ? null : readAt(fd, size - 8, 8);
  if (tail === null || tail.length < 8 || tail.toString("latin1", 4) !== "PAR1") {
    return { kind: "unreadable", why: size === 0 ? "it is empty" : "it does not end as parquet does; is it still being written?" };
  }
  const length = tail.readUInt32LE(0);
  if (length > size - 12 || length > MAX_FOOTER_BYTES) return { kind: "unreadable", why: `its footer claims ${length} bytes` };
  try {
    const metadata = parquetMetadata(Uint8Array.from(readAt(fd, size - 8 - length, length + 8)));
    return { kind: "parquet", rows: Number(metadata.num_rows), columns: parquetSchema(metadata).children.map(columnOf) };
  } catch (error) {
    return { kind: "unreadable", why: `its footer is damaged (${error instanceof Error ? error.message : String(error)})` };
  }
}

function columnOf(column: SchemaTree): DataColumn {
  const { name, converted_type: type, logical_type: logical } = column.element;
  if (column.children.length === 0) {
    const isText = type === "UTF8" || type === "JSON" || logical?.type === "STRING" || logical?.type === "JSON";
    return { name, shape: isText ? "text" : "other", fields: [] };
  }
  const isList = type === "LIST" || logical?.type === "LIST" || column.element.repetition_type === "REPEATED";
  const element = isList ? elementOf(column) : column;
  const fields = element.children.map((child) => child.element.name);
  if (!isList) return { name, shape: "struct", fields };
  return { name, shape: fields.includes("role") && fields.includes("content") ? "messages" : "list", fields };
}

/** A list is `group LIST { repeated group list { element } }`, or with the repeated group as the element itself in older files. */
function elementOf(list: SchemaTree): SchemaTree {
  const repeated = list.element.repetition_type === "REPEATED" ? list : list.children[0];
  if (repeated === undefined) return list;
  const [only, ...others] = repeated.children;
  return only !== undefined && others.length === 0 && only.children.length > 0 ? only : repeated;
}

export function readModel(common: CommonRoot, modelId: string): ModelFiles {
  const folder = modelId.startsWith("/") ? realCommon(common, modelId) : cachedSnapshot(common, modelId);
  const config = folder === null ? null : absentIsNull(() => realpathSync(`${folder}/config.json`));
  if (folder === null || config === null || !isAllowed(common, config)) return { kind: "no_config" };
  try {
    const text = readSmall(config, MAX_CONFIG_BYTES)?.toString() ?? "";
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed !== "object" || parsed === null || !("model_type" in parsed))
      return { kind: "bad_config", why: "it names no model_type" };
    return { kind: "read", parameters: parametersOf(folder, parsed) };
  } catch (error) {
    return { kind: "bad_config", why: error instanceof Error ? error.message : String(error) };
  }
}

function parametersOf(folder: string, config: object): number | null {
  const type = "dtype" in config ? config.dtype : "torch_dtype" in config ? config.torch_dtype : null;
  const bytes = typeof type === "string" ? BYTES_OF_TYPE[type] : undefined;
  const names = readdirSync(folder).filter((name) => name.endsWith(".safetensors"));
  if (bytes === undefined || names.length === 0) return null;
  // Blobs of the hub's cache are links; a size is no secret, and only a regular file has one.
  const total = names.reduce((sum, name) => sum + (statSync(`${folder}/${name}`, { throwIfNoEntry: false })?.size ?? 0), 0);
  return Math.round(total / bytes);
}
