/** api.json of discovery: where the API is, for a command line that was told nothing else. */
import { parseRecord } from "./control-files.ts";
import { writeDurably } from "./durable-file.ts";
import { discoveryFile } from "./head-file.ts";
import { withMadeDirectory } from "./open-directory.ts";
import { readSmall } from "./regular-file.ts";

export type ApiRecord = { readonly url: string; readonly caFingerprint: string | null; readonly at: string };

export function writeApiFile(root: string, cluster: string, api: ApiRecord, tag: string): void {
  const parts = discoveryFile(root, cluster, "api.json")
    .slice(root.length + 1)
    .split("/")
    .slice(0, -1);
  const record = { schema: 1, url: api.url, ca_fingerprint: api.caFingerprint, at: api.at };
  withMadeDirectory(root, parts, 0o755, 0, (directory) => {
    writeDurably(directory.at("api.json"), `${JSON.stringify(record)}\n`, tag, 0o644);
  });
}

/** Null when it is not there or is none of ours. */
export function readApiFile(root: string, cluster: string): ApiRecord | null {
  try {
    const bytes = readSmall(discoveryFile(root, cluster, "api.json"));
    const record = bytes === null ? null : parseRecord(bytes);
    const { url, ca_fingerprint, at } = record ?? {};
    if (typeof url !== "string" || !/^https?:\/\//.test(url) || typeof at !== "string") return null;
    return { url, caFingerprint: typeof ca_fingerprint === "string" ? ca_fingerprint : null, at };
  } catch {
    return null;
  }
}
