/** What a host of a test sees of this machine's files: its own /tmp and /dev/shm, and the way to the few places that its programs need. */
import { statSync } from "node:fs";
import { basename, dirname, join } from "node:path";

export type HostView = {
  readonly hostname: string;
  /** A folder of this machine that the host has as /tmp. */
  readonly tmp: string;
  /** Folders that it sees where they are, also when they lie in /tmp or, for an ordinary user, behind a folder that is closed to him. */
  readonly kept: readonly string[];
  /** As in a container without capabilities: parts of /proc are covered, so that no user namespace may mount one of its own. */
  readonly masked: boolean;
};

const SHM_BYTES = 2_000_000_000;
const STAGE = "/mnt";

/** Shell commands that make the view; run as root in a mount namespace of the host's own, as pid 1 of its PID namespace. */
export function viewScript(view: HostView, address: string): string {
  const kept = outermost(view.kept);
  const covers = [...new Set(["/tmp", ...(view.masked ? kept.flatMap((path) => closedAbove(path)) : [])])];
  const carried = kept.filter((path) => covers.some((cover) => isBelow(path, cover)));
  return [
    "set -e",
    `hostname ${quoted(view.hostname)}`,
    `mount -t tmpfs -o size=${SHM_BYTES},mode=1777 shm /dev/shm`,
    `mount -t tmpfs stage ${STAGE}`,
    `mkdir ${STAGE}/tmp && mount --bind ${quoted(view.tmp)} ${STAGE}/tmp`,
    ...carried.map((path, index) => `mkdir ${STAGE}/${index} && mount --bind ${quoted(path)} ${STAGE}/${index}`),
    ...covers.map((cover) =>
      cover === "/tmp" ? `mount --move ${STAGE}/tmp /tmp` : `mount -t tmpfs -o mode=755 ${basename(cover)} ${quoted(cover)}`,
    ),
    ...carried.map((path, index) => `mkdir -p ${quoted(path)} && mount --move ${STAGE}/${index} ${quoted(path)}`),
    `printf '127.0.0.1 localhost\\n${address} ${view.hostname}\\n' > ${STAGE}/hosts && mount --bind ${STAGE}/hosts /etc/hosts`,
    `umount ${STAGE}`,
    ...(view.masked ? ["for file in /proc/kcore /proc/timer_list; do test ! -e $file || mount --bind /dev/null $file; done"] : []),
  ].join("\n");
}

function outermost(paths: readonly string[]): readonly string[] {
  const all = [...new Set(paths)];
  return all.filter((path) => !all.some((other) => isBelow(path, other)));
}

function isBelow(path: string, folder: string): boolean {
  return path.startsWith(`${folder}/`);
}

/** The outermost folder on the way to `path` that others may not pass, if there is one. */
function closedAbove(path: string): readonly string[] {
  const above: string[] = [];
  for (let folder = dirname(path); folder !== "/"; folder = dirname(folder)) above.unshift(folder);
  return above.filter((folder) => (statSync(folder).mode & 0o001) === 0).slice(0, 1);
}

function quoted(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}

/** What programs of this checkout need: the checkout, its packages, Node, and the Python with what it is made of. */
export function programPlaces(checkout: string, nodeModules: string, node: string, python: string, realPython: string): readonly string[] {
  const prefixOf = (program: string): string => dirname(dirname(program));
  return [checkout, nodeModules, prefixOf(node), prefixOf(python), prefixOf(realPython)].filter((path) => path !== "/usr" && path !== "/");
}

/** The folder that `view.tmp` names and one for the agents' state, beside each other. */
export function hostFolders(home: string): { readonly tmp: string; readonly state: string } {
  return { tmp: join(home, "tmp"), state: join(home, "state") };
}
