/** The scripts that run on a host, in POSIX sh: what is there, and start, stop or kill of its agent. Each value stands in single quotes. */
import { createHash } from "node:crypto";
import { agentCommand, agentIdentity, type HostsFile, type PoolHost } from "../../domain/pool-hosts.ts";

/** In single quotes, in which a shell acts on nothing. */
export function quoted(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`;
}

export type ScriptPlan = {
  readonly file: HostsFile;
  readonly host: PoolHost;
  /** Random: what a host prints can't forge a part of the answer. */
  readonly mark: string;
};

/** What the agent gets that `status` does not show; another value means that it was started with another environment. */
export function envDigest(host: PoolHost): string {
  const entries = Object.entries(host.env).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return entries.length === 0 ? "none" : createHash("sha256").update(JSON.stringify(entries)).digest("hex").slice(0, 16);
}

export function probeScript(plan: ScriptPlan): string {
  return `${preamble(plan)}
part now; date +%s
part hostname; uname -n
part version; readlink "$vp_common/current"
part env; cat "$vp_env_file" 2>/dev/null
part beat; if [ -f "$vp_beat" ] && [ ! -L "$vp_beat" ]; then head -c 65536 "$vp_beat"; fi
part status; "$vp_program" status ${words([plan.host.role, ...agentIdentity(plan.file, plan.host), "--json"])} < /dev/null
part end
`;
}

export function startScript(plan: ScriptPlan): string {
  return `${preamble(plan)}
mkdir -p "$vp_env_dir" && printf '%s\\n' ${quoted(envDigest(plan.host))} > "$vp_env_file"
"$vp_program" start ${words(agentCommand(plan.file, plan.host))} >&2 < /dev/null
vp_code=$?
part code; echo "$vp_code"
part end
`;
}

export function stopScript(plan: ScriptPlan): string {
  return `${preamble(plan)}
"$vp_program" stop ${words([plan.host.role, ...agentIdentity(plan.file, plan.host)])} >&2 < /dev/null
vp_code=$?
part code; echo "$vp_code"
part end
`;
}

/** Kills the agent, not its supervisor, which then starts another one. Only if that pid is an agent of this role still. */
export function killScript(plan: ScriptPlan, pid: number): string {
  return `${preamble(plan)}
vp_code=1
if tr '\\0' ' ' < /proc/${pid}/cmdline 2>/dev/null | grep -qF ${quoted(` ${plan.host.role} --root ${plan.file.root} `)}; then kill -KILL ${pid}; vp_code=$?; fi
part code; echo "$vp_code"
part end
`;
}

/** The parts of a script's answer by name; null when it did not come to its end. */
export function answerParts(stdout: string, mark: string): ReadonlyMap<string, string> | null {
  const parts = new Map<string, string>();
  for (const piece of stdout.split(`\n${mark} `).slice(1)) {
    const [name = "", ...rest] = piece.split("\n");
    if (!parts.has(name)) parts.set(name, rest.join("\n").trim());
  }
  return parts.has("end") || parts.has("missing") ? parts : null;
}

/** Ends the script with the part \`missing\` where the storage or the program is not there. */
function preamble({ file, host, mark }: ScriptPlan): string {
  const discovery = `/ray/discovery/${file.cluster}/${host.role === "head" ? "head.json" : `nodes/${host.name}.json`}`;
  const exports = Object.entries(host.env).map(([name, value]) => `export ${name}=${quoted(value)}`);
  return [
    "umask 022",
    `vp_root=${quoted(file.root)}`,
    `vp_common="$vp_root/common/verlpool"`,
    `vp_program="$vp_common/current/verlpool"`,
    `vp_beat="$vp_root"${quoted(discovery)}`,
    ...exports,
    `vp_env_dir="\${VERLPOOL_STATE_DIR:-\${XDG_STATE_HOME:-$HOME/.local/state}/verlpool}/apply"`,
    `vp_env_file="$vp_env_dir/"${quoted(`${file.cluster}-${host.role}-${host.name}`)}`,
    `part() { printf '\\n%s %s\\n' ${quoted(mark)} "$1"; }`,
    `if [ ! -d "$vp_root/common" ]; then part missing; echo storage; exit 0; fi`,
    `if [ ! -x "$vp_program" ]; then part missing; echo program; exit 0; fi`,
  ].join("\n");
}

function words(argv: readonly string[]): string {
  return argv.map((word) => quoted(word)).join(" ");
}
