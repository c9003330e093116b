/** A profile file `<name>@<version>.yaml` of the operator (docs/profiles.md): text → checked profile, or every error with its line. */
import { stringify } from "yaml";
import { nearest } from "../domain/verl/nearest.ts";
import { compareVersions, profileId, verlMinor } from "../domain/verl/profile.ts";
import type { Profile } from "../domain/verl/profile.ts";
import { envProblem } from "../domain/verl/reserved.ts";
import { readInt, readText, readWord, show, WORKLOADS } from "../domain/verl/spec-rules.ts";
import type { RawScalar, Read } from "../domain/verl/spec-rules.ts";
import type { FieldError } from "./problem.ts";
import { readScalar, readSettings } from "./profile-setting.ts";
import { readStrictYaml, wholeFileError } from "./strict-yaml.ts";
import type { Position, YamlEntry, YamlMap, YamlNode } from "./strict-yaml.ts";

export const PROFILE_MAX_BYTES = 64 * 1024;

export type ProfileResult =
  | { readonly ok: true; readonly profile: Profile }
  | { readonly ok: false; readonly errors: readonly FieldError[] };

const FIELDS = [
  "name",
  "version",
  "workload",
  "verl",
  "description",
  "driver",
  "device",
  "exclusive",
  "python",
  "cpus_per_gpu",
  "cpus_extra",
  "keep_checkpoints",
  "settings",
  "env",
] as const;
type Field = (typeof FIELDS)[number];

const NAME = /^[a-z0-9]([a-z0-9-]{0,46}[a-z0-9])?$/;
const FILE_NAME = /^([a-z0-9](?:[a-z0-9-]{0,46}[a-z0-9])?)@([1-9]\d{0,5})\.yaml$/;
const MODULE = /^[A-Za-z_]\w*(\.[A-Za-z_]\w*)+$/;
const PYTHON = /^(\/[A-Za-z0-9_+-][A-Za-z0-9._+-]*)+$/;
const VERL = /^(0|[1-9]\d{0,3})\.(0|[1-9]\d{0,3})(\.(0|[1-9]\d{0,3}))?$/;

/** The name and version that a profile file's name says; null = not the name of a profile file. */
export function parseProfileFileName(fileName: string): { readonly name: string; readonly version: number } | null {
  const [, name, version] = FILE_NAME.exec(fileName) ?? [];
  return name === undefined || version === undefined ? null : { name, version: Number(version) };
}

type Reader = { readonly map: YamlMap; readonly entries: ReadonlyMap<string, YamlEntry>; readonly errors: FieldError[] };

function complain(reader: Reader, field: string, at: Position, message: string, found: string | null, allowed: string): void {
  reader.errors.push({ field, line: at.line, column: at.column, message, found, allowed });
}

/** Reads one scalar field by a rule of the domain; `fallback` when it is absent or wrong (then an error stands too). */
function scalar<T>(
  reader: Reader,
  field: Field,
  fallback: T | undefined,
  allowed: string,
  rule: (raw: RawScalar) => Read<T>,
): T | undefined {
  const entry = reader.entries.get(field);
  if (entry === undefined) {
    if (fallback === undefined) complain(reader, field, reader.map, "is missing and has no default", "nothing", allowed);
    return fallback;
  }
  if (entry.value.kind === "refused") return fallback;
  if (entry.value.kind !== "scalar") {
    complain(reader, field, entry.value, `is a ${entry.value.kind}, not a single value`, null, allowed);
    return fallback;
  }
  const read = rule(entry.value);
  if (read.ok) return read.value;
  complain(reader, field, entry.value, read.problem.message, read.problem.found, read.problem.allowed);
  return fallback;
}

function matching(expression: RegExp, message: string): (text: string) => string | null {
  return (text) => (expression.test(text) ? null : message);
}

function readBoolean(raw: RawScalar): Read<boolean> {
  if (!raw.quoted && /^(true|false)$/.test(raw.text)) return { ok: true, value: raw.text === "true" };
  return { ok: false, problem: { message: "is not a boolean", found: show(raw.text), allowed: "true or false" } };
}

function listOf(reader: Reader, entry: YamlEntry | undefined, field: Field): readonly YamlNode[] {
  if (entry === undefined || entry.value.kind === "refused") return [];
  if (entry.value.kind === "list") return entry.value.items;
  if (entry.value.kind === "scalar") return [entry.value];
  complain(reader, field, entry.value, "is a mapping, not a list", null, 'a list such as ["0.9"]');
  return [];
}

function readVerl(reader: Reader): readonly string[] {
  const entry = reader.entries.get("verl");
  const allowed = 'a list of verl minors ("0.9") or releases ("0.7.1")';
  const items = listOf(reader, entry, "verl");
  if (items.length === 0) complain(reader, "verl", entry ?? reader.map, "names no verl version", "nothing", allowed);
  const versions: string[] = [];
  for (const item of items) {
    if (item.kind === "scalar" && VERL.test(item.text)) versions.push(item.text);
    else complain(reader, "verl", item, "is not a verl version", item.kind === "scalar" ? show(item.text) : null, allowed);
  }
  return versions;
}

function mapOf(reader: Reader, field: Field): YamlMap | null {
  const value = reader.entries.get(field)?.value;
  if (value === undefined || value.kind === "refused" || (value.kind === "scalar" && value.text === "" && !value.quoted)) return null;
  if (value.kind === "map") return value;
  complain(reader, field, value, `is a ${value.kind}, not a mapping`, null, "`key: value` lines");
  return null;
}

function readEnv(reader: Reader): { readonly [key: string]: string } {
  const env: [string, string][] = [];
  for (const entry of mapOf(reader, "env")?.entries ?? []) {
    if (entry.value.kind === "refused") continue;
    const field = `env.${entry.key}`;
    const read = entry.value.kind === "scalar" ? readScalar(entry.value) : null;
    if (entry.value.kind !== "scalar" || read === null || !read.ok || read.value === null) {
      const message = read !== null && !read.ok ? read.message : "is not a text";
      complain(reader, field, entry.value, message, entry.value.kind === "scalar" ? show(entry.value.text) : null, "a text or a number");
      continue;
    }
    const problem = envProblem(entry.key, entry.value.text);
    if (problem !== null) complain(reader, field, entry, problem, show(entry.key), "variables that tune training");
    env.push([entry.key, entry.value.text]);
  }
  return Object.fromEntries(env);
}

function checkFields(reader: Reader): void {
  for (const entry of reader.map.entries) {
    if (FIELDS.some((field) => field === entry.key)) continue;
    const near = nearest(entry.key, FIELDS);
    const hint = near === null ? "" : `; did you mean ${near}?`;
    complain(
      reader,
      show(entry.key).slice(1, -1),
      entry,
      `is not a field of a profile${hint}`,
      show(entry.key),
      `the fields ${FIELDS.join(", ")}`,
    );
  }
}

const NAME_ALLOWED = "lower-case letters, digits and hyphens, at most 48";
const MODULE_ALLOWED = "a Python module such as verl.trainer.main_ppo";
const PYTHON_ALLOWED = "the absolute path of a Python interpreter on the workers, or null";
const CPUS = { min: 0, max: 1024, off: false, nullable: false };

/** Only verl 0.9's fixed names are known and kept apart by the isolation module; anything else runs alone unless the operator says so. */
function isKnownToShare(verl: readonly string[]): boolean {
  return verl.every((version) => compareVersions(verlMinor(version) ?? "0.0", "0.9") === 0);
}

function readProfile(reader: Reader, lowestVersion: number): Profile | null {
  const name = scalar(reader, "name", undefined, NAME_ALLOWED, (raw) =>
    readText(raw, matching(NAME, "is not a profile name"), NAME_ALLOWED, false),
  );
  const version = scalar(reader, "version", undefined, "a whole number from 1", (raw) =>
    readInt(raw, { min: lowestVersion, max: 999_999, off: false, nullable: false }),
  );
  const workload = scalar(reader, "workload", undefined, WORKLOADS.join(", "), (raw) => readWord(raw, WORKLOADS, false));
  const driver = scalar(reader, "driver", undefined, MODULE_ALLOWED, (raw) =>
    readText(raw, matching(MODULE, "is not a Python module"), MODULE_ALLOWED, false),
  );
  const verl = readVerl(reader);
  const isSft = workload === "sft";
  const python = scalar(reader, "python", null, PYTHON_ALLOWED, (raw) =>
    readText(raw, matching(PYTHON, "is not an absolute path"), PYTHON_ALLOWED, true),
  );
  const description = scalar(reader, "description", "", "a text", (raw) => readText(raw, () => null, "a text", false));
  const device = scalar(reader, "device", isSft ? "cpu" : "cuda", "cuda or cpu", (raw) => readWord(raw, ["cuda", "cpu"] as const, false));
  const exclusive = scalar(reader, "exclusive", !isKnownToShare(verl), "true or false", readBoolean);
  const cpusPerGpu = scalar(reader, "cpus_per_gpu", isSft ? 10 : 3, "a whole number", (raw) => readInt(raw, CPUS));
  const cpusExtra = scalar(reader, "cpus_extra", isSft ? 0 : 10, "a whole number", (raw) => readInt(raw, CPUS));
  const keepRule = { min: 1, max: 100_000, off: false, nullable: true };
  const keepCheckpoints = scalar<number | null>(reader, "keep_checkpoints", 2, "a whole number from 1, or null for all", (raw) =>
    readInt(raw, keepRule),
  );
  const settingsMap = mapOf(reader, "settings");
  const settings = settingsMap === null ? {} : readSettings(settingsMap, reader.errors);
  const env = readEnv(reader);
  if (reader.errors.length > 0 || !name || version === undefined || version === null || !workload || !driver) return null;
  return {
    name,
    version,
    workload,
    verl,
    description: description ?? "",
    driver,
    device: device ?? "cuda",
    exclusive: exclusive ?? true,
    python: python ?? null,
    cpusPerGpu: cpusPerGpu ?? 3,
    cpusExtra: cpusExtra ?? 0,
    keepCheckpoints: keepCheckpoints ?? null,
    settings,
    env,
  };
}

/** `fileName` without its directory; null for a text that comes from no file (`formatProfile` of a built-in, version 0). The file must be named as the profile says. */
export function parseProfile(text: Uint8Array | string, fileName: string | null): ProfileResult {
  const read = readStrictYaml(text, { maxBytes: PROFILE_MAX_BYTES, maxDepth: 10, maxTokens: 20_000 });
  if (!read.ok) return { ok: false, errors: read.errors };
  const entries = new Map(read.map.entries.map((entry) => [entry.key, entry]));
  const reader: Reader = { map: read.map, entries, errors: [...read.errors] };
  checkFields(reader);
  const profile = readProfile(reader, fileName === null ? 0 : 1);
  if (profile === null)
    return { ok: false, errors: reader.errors.toSorted((a, b) => (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0)) };
  if (fileName !== null && fileName !== `${profileId(profile)}.yaml`) {
    const message = `says it is ${profileId(profile)}, so it must be named ${profileId(profile)}.yaml`;
    return { ok: false, errors: [wholeFileError(read.map.line, read.map.column, message, show(fileName))] };
  }
  return { ok: true, profile };
}

function wireOf(profile: Profile): object {
  const { cpusPerGpu, cpusExtra, keepCheckpoints, settings, env, ...rest } = profile;
  return { ...rest, cpus_per_gpu: cpusPerGpu, cpus_extra: cpusExtra, keep_checkpoints: keepCheckpoints, settings, env };
}

/** A profile as JSON, which is YAML too, so `parseProfile` reads it back equal. Goes into `config/profile.json`. */
export function formatProfile(profile: Profile): string {
  return `${JSON.stringify(wireOf(profile), null, 2)}\n`;
}

/** A profile as people write one; `parseProfile` reads it back equal. What the API shows, and what a copy with another name begins from. */
export function profileYaml(profile: Profile): string {
  return stringify(wireOf(profile), { lineWidth: 0, aliasDuplicateObjects: false, blockQuote: false });
}
