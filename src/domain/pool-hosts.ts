/** The hosts of a pool that are reached by SSH only (docs/pool-apply.md), and the agent that each one runs. Pure. */

export type SshTarget = {
  /** Null = what ssh's own configuration says. */
  readonly user: string | null;
  readonly host: string;
  readonly port: number | null;
};

export type HostRole = "head" | "worker";

export type PoolHost = {
  /** Also the name of the node. */
  readonly name: string;
  readonly ssh: SshTarget;
  readonly role: HostRole;
  /** Null = as many as the host has. */
  readonly gpus: number | null;
  readonly labels: { readonly [name: string]: string };
  /** For the agent, and so for Ray. */
  readonly env: { readonly [name: string]: string };
};

export type HostsFile = {
  /** Where the hosts see the shared storage. */
  readonly root: string;
  readonly cluster: string;
  readonly hosts: readonly PoolHost[];
};

/** What tells this agent from others on its host; the same words for start, stop and status. */
export function agentIdentity(file: HostsFile, host: PoolHost): readonly string[] {
  const place = ["--root", file.root, "--cluster", file.cluster];
  return host.role === "worker" ? [...place, "--node-name", host.name] : place;
}

/** The foreground command of the host's agent with its flags, such as `worker --root /private …`; labels in the order of their names. */
export function agentCommand(file: HostsFile, host: PoolHost): readonly string[] {
  const labels = Object.entries(host.labels).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return [
    host.role,
    ...agentIdentity(file, host),
    ...(host.gpus === null ? [] : ["--num-gpus", String(host.gpus)]),
    ...labels.flatMap(([name, value]) => ["--label", `${name}=${value}`]),
  ];
}
