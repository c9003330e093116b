/** A host without SSH: a client that runs the script here, and a `verlpool` that only notes what it is told. Both real processes, in POSIX sh. */
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

export type FakeHost = {
  /** The client, for `Ssh.program`. */
  readonly ssh: string;
  readonly root: string;
  /** What the program was told, one line a call, its environment's NCCL_X behind it. */
  readonly calls: () => readonly string[];
  /** The agent that runs, as `status --json` prints it. `next` = the one that the next start makes. */
  readonly setAgent: (name: string, agent: object) => void;
  readonly setBeat: (name: string, beat: object) => void;
};

const SSH = `#!/bin/sh
while [ $# -gt 2 ]; do shift; done
case $1 in
  gone) echo "ssh: connect to host gone port 22: Connection refused" >&2; exit 255;;
  noisy) echo "Welcome to noisy"; echo "0123 status"; echo '{"agents":[]}';;
  mute) exec sleep 60;;
esac
exec /bin/sh -s
`;

const PROGRAM = `#!/bin/sh
state=$(dirname "$0")/../../../../state
verb=$1 role=$2 name=$2
printf '%s NCCL_X=%s\\n' "$*" "$NCCL_X" >> "$state/calls"
while [ $# -gt 0 ]; do [ "$1" = --node-name ] && name=$role-$2; shift; done
case $verb in
  status) if [ -f "$state/$name.json" ]; then printf '{"agents":[%s]}\\n' "$(cat "$state/$name.json")"; else echo '{"agents":[]}'; exit 1; fi;;
  start) [ -f "$state/refuse" ] && { echo "verlpool: no Ray here" >&2; exit 1; }; cp "$state/next.json" "$state/$name.json";;
  stop) rm -f "$state/$name.json";;
esac
`;

export function fakeHost(dir: string, cluster: string): FakeHost {
  const root = join(dir, "root");
  const state = join(dir, "state");
  const version = join(root, "common", "verlpool", "current");
  for (const folder of [state, version, join(root, "ray", "discovery", cluster, "nodes")]) mkdirSync(folder, { recursive: true });
  const ssh = join(dir, "ssh");
  for (const [path, text] of [
    [ssh, SSH],
    [join(version, "verlpool"), PROGRAM],
  ] as const) {
    writeFileSync(path, text);
    chmodSync(path, 0o755);
  }
  writeFileSync(join(state, "calls"), "");
  return {
    ssh,
    root,
    calls: () => readFileSync(join(state, "calls"), "utf8").trim().split("\n"),
    setAgent: (name, agent) => writeFileSync(join(state, `${name}.json`), JSON.stringify(agent)),
    setBeat: (name, beat) => writeFileSync(join(root, "ray", "discovery", cluster, name), `${JSON.stringify(beat).padEnd(400)}00000000\n`),
  };
}
