/** Which kind of file system a SQLite file lies on: WAL needs memory shared between processes, which no network file system offers. */
import { statfsSync } from "node:fs";
import { networkFileSystem } from "../domain/network-file-systems.ts";

export function networkFileSystemOf(path: string): string | null {
  return networkFileSystem(statfsSync(path).type);
}
