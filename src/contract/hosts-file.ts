/** `hosts.yaml` of `verlpool pool apply` (docs/pool-apply.md): text → checked hosts, or every error with its line. */
import { isNodeName } from "../domain/node-record.ts";
import type { HostRole, HostsFile, PoolHost, SshTarget } from "../domain/pool-hosts.ts";
import { nearest } from "../domain/verl/nearest.ts";
import { show } from "../domain/verl/spec-rules.ts";
import type { FieldError } from "./problem.ts";
import { readStrictYaml, type Position, type YamlEntry, type YamlMap, type YamlNode } from "./strict-yaml.ts";

export type HostsResult = { readonly ok: true; readonly file: HostsFile } | { readonly ok: false; readonly errors: readonly FieldError[] };

export const HOSTS_MAX_BYTES = 256 * 1024;
const MOST_HOSTS = 1000;
const FILE_FIELDS = ["root", "cluster", "hosts"];
const HOST_FIELDS = ["name", "ssh", "role", "gpus", "labels", "env"];

const NAME_ALLOWED = "lower-case letters, digits, dots and hyphens, a letter or digit first, at most 63";
const ROOT_ALLOWED = "an absolute path such as /private";
const SSH_ALLOWED = "user@host:port, where user and port may be left out; an IPv6 address in brackets";
const ENV_ALLOWED = "variables such as NCCL_SOCKET_IFNAME, with a text of one line";
const LABEL_ALLOWED = "name: value, of letters, digits and -_. with a letter or digit at both ends, at most 63 each";

const ROOT = /^(\/[A-Za-z0-9_][A-Za-z0-9._-]*)+$/;
/** No part of it can begin with a hyphen, so none can be taken for an option of ssh, and none holds what a shell would act on. */
const SSH = /^(?:([A-Za-z_][A-Za-z0-9_.-]{0,31})@)?(?:([A-Za-z0-9][A-Za-z0-9._-]{0,252})|\[([0-9A-Fa-f:.]{2,45})\])(?::([1-9]\d{0,4}))?$/;
/** Ray's own rule for labels. */
const LABEL = /^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/;
const ENV_NAME = /^[A-Za-z_][A-Za-z0-9_]{0,127}$/;
const ENV_VALUE = /^[\u0020-\u007e]{0,4096}$/;
const SECRET = /TOKEN|SECRET|PASSW|CREDENTIAL|_KEY$/i;

type Complain = (field: string, at: Position, message: string, found: string | null, allowed: string) => void;

/** Every error at once, in the order of the file. */
export function parseHostsFile(text: Uint8Array | string): HostsResult {
  const read = readStrictYaml(text, { maxBytes: HOSTS_MAX_BYTES, maxDepth: 6, maxTokens: 100_000 });
  if (!read.ok) return { ok: false, errors: read.errors };
  const errors: FieldError[] = [...read.errors];
  const complain: Complain = (field, { line, column }, message, found, allowed) =>
    void errors.push({ field, line, column, message, found, allowed });
  const fields = fieldsOf(read.map, FILE_FIELDS, "", complain);
  const root = word(fields, read.map, "root", ROOT_ALLOWED, (value) => ROOT.test(value), complain);
  const cluster = word(fields, read.map, "cluster", NAME_ALLOWED, isNodeName, complain);
  const hosts = hostsOf(fields.get("hosts"), read.map, complain);
  if (errors.length > 0 || root === null || cluster === null) return { ok: false, errors: errors.toSorted(byPlace) };
  return { ok: true, file: { root, cluster, hosts } };
}

function byPlace(a: FieldError, b: FieldError): number {
  return (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0);
}

function hostsOf(entry: YamlEntry | undefined, whole: YamlMap, complain: Complain): readonly PoolHost[] {
  const allowed = `a list of 1 to ${MOST_HOSTS} hosts: \`- name: gpu-1\``;
  if (entry?.value.kind === "refused") return [];
  const items = entry?.value.kind === "list" ? entry.value.items : [];
  if (items.length === 0 || items.length > MOST_HOSTS)
    complain("hosts", entry ?? whole, items.length === 0 ? "names no host" : "names too many hosts", `${items.length} hosts`, allowed);
  const hosts: PoolHost[] = [];
  const lines = new Map<string, number>();
  let headLine: number | null = null;
  for (const [index, item] of items.slice(0, MOST_HOSTS).entries()) {
    const host = hostOf(item, `hosts[${index}]`, complain);
    if (host === null) continue;
    const first = lines.get(host.name);
    if (first !== undefined)
      complain(`hosts[${index}].name`, item, `is the name of the host in line ${first}, too`, host.name, "each name once");
    lines.set(host.name, first ?? item.line);
    if (host.role === "head" && headLine !== null)
      complain(`hosts[${index}].role`, item, `is a second head; the first is in line ${headLine}`, "head", "one head in a cluster");
    if (host.role === "head") headLine ??= item.line;
    hosts.push(host);
  }
  return hosts;
}

function hostOf(node: YamlNode, at: string, complain: Complain): PoolHost | null {
  if (node.kind === "refused") return null;
  if (node.kind !== "map") {
    complain(at, node, "is no host", node.kind === "scalar" ? show(node.text) : node.kind, "a mapping with name, ssh and role");
    return null;
  }
  const fields = fieldsOf(node, HOST_FIELDS, `${at}.`, complain);
  const name = word(fields, node, "name", NAME_ALLOWED, isNodeName, complain, at);
  const target = word(fields, node, "ssh", SSH_ALLOWED, (text) => parseSshTarget(text) !== null, complain, at);
  const role = word(fields, node, "role", "head or worker", (text) => text === "head" || text === "worker", complain, at);
  const gpus = fields.has("gpus") ? word(fields, node, "gpus", "a whole number from 0 to 1024", isGpuCount, complain, at) : null;
  if (role === "head" && fields.has("gpus"))
    complain(`${at}.gpus`, fields.get("gpus") ?? node, "a head has no GPUs", gpus, "none, or role: worker");
  const labels = textsOf(
    fields.get("labels"),
    `${at}.labels`,
    LABEL_ALLOWED,
    (key, value) => LABEL.test(key) && LABEL.test(value),
    complain,
  );
  if (role === "head" && fields.has("labels"))
    complain(`${at}.labels`, fields.get("labels") ?? node, "a head has no labels", null, "none, or role: worker");
  const env = textsOf(fields.get("env"), `${at}.env`, ENV_ALLOWED, (key, value) => ENV_NAME.test(key) && ENV_VALUE.test(value), complain);
  for (const entry of envEntries(fields.get("env"))) {
    if (SECRET.test(entry.key))
      complain(`${at}.env.${entry.key}`, entry, "looks like a secret, which has no place in this file", show(entry.key), ENV_ALLOWED);
  }
  const ssh = target === null ? null : parseSshTarget(target);
  if (name === null || ssh === null || role === null) return null;
  return { name, ssh, role: role as HostRole, gpus: gpus === null ? null : Number(gpus), labels, env };
}

/** `user@host:port` → its parts; null when it is none. */
export function parseSshTarget(text: string): SshTarget | null {
  const [, user, plain, bracketed, port] = SSH.exec(text) ?? [];
  const host = plain ?? bracketed;
  if (host === undefined || Number(port ?? 1) > 65_535) return null;
  return { user: user ?? null, host, port: port === undefined ? null : Number(port) };
}

function isGpuCount(text: string): boolean {
  return /^(0|[1-9]\d{0,3})$/.test(text) && Number(text) <= 1024;
}

function fieldsOf(map: YamlMap, known: readonly string[], prefix: string, complain: Complain): ReadonlyMap<string, YamlEntry> {
  for (const entry of map.entries.filter(({ key }) => !known.includes(key))) {
    const near = nearest(entry.key, known);
    const hint = near === null ? "" : `; did you mean ${near}?`;
    complain(`${prefix}${show(entry.key).slice(1, -1)}`, entry, `is not a field here${hint}`, show(entry.key), known.join(", "));
  }
  return new Map(map.entries.map((entry) => [entry.key, entry]));
}

function word(
  fields: ReadonlyMap<string, YamlEntry>,
  map: YamlMap,
  name: string,
  allowed: string,
  isRight: (text: string) => boolean,
  complain: Complain,
  at: string | null = null,
): string | null {
  const field = at === null ? name : `${at}.${name}`;
  const value = fields.get(name)?.value;
  if (value?.kind === "refused") return null;
  if (value?.kind === "scalar" && isRight(value.text)) return value.text;
  if (value === undefined) complain(field, map, "is missing", "nothing", allowed);
  else complain(field, value, "is not allowed", value.kind === "scalar" ? show(value.text) : `a ${value.kind}`, allowed);
  return null;
}

function textsOf(
  entry: YamlEntry | undefined,
  field: string,
  allowed: string,
  isRight: (key: string, value: string) => boolean,
  complain: Complain,
): { readonly [name: string]: string } {
  if (entry !== undefined && entry.value.kind !== "map" && entry.value.kind !== "refused")
    complain(field, entry.value, "is no mapping", null, allowed);
  const texts: [string, string][] = [];
  for (const { key, value, ...place } of envEntries(entry)) {
    if (value.kind === "refused") continue;
    if (value.kind === "scalar" && isRight(key, value.text)) texts.push([key, value.text]);
    else
      complain(
        `${field}.${show(key).slice(1, -1)}`,
        place,
        "is not allowed",
        value.kind === "scalar" ? show(value.text) : `a ${value.kind}`,
        allowed,
      );
  }
  return Object.fromEntries(texts);
}

function envEntries(entry: YamlEntry | undefined): readonly YamlEntry[] {
  return entry?.value.kind === "map" ? entry.value.entries : [];
}
