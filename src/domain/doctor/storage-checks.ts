/** What the shared storage must give (docs/protocol.md, "What is promised"): from what two processes saw of it to verdicts. Pure. */
import { type Check, fail, ok, warn } from "./check.ts";

export type MountFacts = {
  readonly root: string;
  /** Null = the root is no directory. */
  readonly mount: { readonly at: string; readonly type: string; readonly options: readonly string[] } | null;
  /** Its name when other machines may open the same files. */
  readonly network: string | null;
  readonly selfFenceS: number;
  readonly staleS: number;
};

const NETWORK_SELF_FENCE_S = 180;
const NETWORK_STALE_S = 65;

export function judgeMount({ root, mount, network, selfFenceS, staleS }: MountFacts): readonly Check[] {
  const name = "mount";
  if (mount === null)
    return [
      fail(
        name,
        `${root} is no directory`,
        "nothing of verlpool works without the shared storage",
        `mount it, or name another place with --root`,
      ),
    ];
  const found = `${root} lies on ${mount.at} (${mount.type}, ${network === null ? "local" : "network"})`;
  const bad = mount.options.filter((option) => ["soft", "softerr", "nocto", "nolock"].includes(option));
  if (network !== null && bad.length > 0)
    return [
      fail(
        name,
        `${found} with ${bad.join(", ")}`,
        "files may be torn, or stay old for other machines: an attempt could be started twice",
        `mount it without ${bad.join(", ")} (hard, with close-to-open consistency and locks)`,
      ),
    ];
  if (network !== null && (selfFenceS < NETWORK_SELF_FENCE_S || staleS < NETWORK_STALE_S))
    return [
      warn(
        name,
        `${found}; lease.self_fence_s is ${selfFenceS}, lease.stale_s is ${staleS}`,
        "a fail-over of the storage (about 90 s on NFS) ends running tasks, and a verdict may rest on an old view",
        `set lease.self_fence_s: ${NETWORK_SELF_FENCE_S} and lease.stale_s: ${NETWORK_STALE_S} in verlpool.yaml`,
      ),
    ];
  if (mount.type === "tmpfs" || mount.type === "ramfs")
    return [warn(name, found, "it lies in memory: a reboot loses database, jobs and checkpoints", "use a disk or the shared mount")];
  if (mount.type === "overlay")
    return [
      warn(name, found, "it lies inside this container and is lost with it; no other machine sees it", "mount the shared storage there"),
    ];
  return [ok(name, found)];
}

export type PathFacts = { readonly path: string; readonly uid: number; readonly mode: number; readonly isWritable: boolean };

export function judgePermissions(paths: readonly PathFacts[], uid: number): readonly Check[] {
  const name = "permissions";
  const closed = paths.filter(({ isWritable }) => !isWritable);
  if (closed.length > 0)
    return [
      fail(
        name,
        `uid ${uid} can't write ${closed.map(({ path, uid: owner }) => `${path} (of uid ${owner})`).join(", ")}`,
        "server, agents and jobs are one uid and must be able to write there",
        `run everything as that uid, or: chown -R ${uid} ${closed.map(({ path }) => path).join(" ")}`,
      ),
    ];
  const foreign = paths.filter((path) => path.uid !== uid && path.uid !== 0);
  if (foreign.length > 0)
    return [
      warn(
        name,
        foreign.map((one) => `${one.path} belongs to uid ${one.uid}, this is uid ${uid}`).join("; "),
        "files of another uid in discovery are not believed, and job directories are open to their owner alone",
        "run server, agents and jobs as one uid (on NFS look at root_squash and idmapd)",
      ),
    ];
  const open = paths.filter(({ path, mode }) => path.includes("/ray/discovery") && (mode & 0o022) !== 0);
  if (open.length > 0)
    return [
      fail(
        name,
        open.map(({ path, mode }) => `${path} has mode ${(mode & 0o777).toString(8)}`).join("; "),
        "who writes head.json gets every submission",
        `chmod go-w ${open.map(({ path }) => path).join(" ")}`,
      ),
    ];
  return [ok(name, `uid ${uid} owns and writes ${paths.map(({ path }) => path).join(", ")}`)];
}

export type RaceFacts = {
  readonly rounds: number;
  /** Winners in each round; null = an error. */
  readonly linkWinners: readonly (number | null)[];
  readonly exclusiveWinners: readonly (number | null)[];
  /** The last error of either, if any. */
  readonly error: string | null;
};

export function judgeRaces({ rounds, linkWinners, exclusiveWinners, error }: RaceFacts): readonly Check[] {
  const judge = (name: string, call: string, winners: readonly (number | null)[], use: string): Check => {
    const bad = winners.filter((count) => count !== 1);
    if (bad.length === 0 && winners.length === rounds) return ok(name, `${rounds} races of two processes had one winner each`);
    const none = bad.every((count) => count === null || count === 0);
    return fail(
      name,
      `${bad.length} of ${rounds} races had ${none ? "no winner" : "not one winner"}${error === null ? "" : ` (${error})`}`,
      none ? `${use} can't be made here: no task would start` : `${call} is not atomic here: a task could be started twice`,
      "use a file system with POSIX link(2): ext4, xfs, NFS v4, Lustre, CephFS; not an object store through FUSE",
    );
  };
  return [
    judge("link", "link(2)", linkWinners, "claims of attempts"),
    judge("O_EXCL", "open(O_EXCL)", exclusiveWinners, "exclusive files"),
  ];
}

export type SightFacts = {
  /** From the writer's answer until another process read it, ms; null = not within the deadline. */
  readonly renamedMs: readonly (number | null)[];
  readonly inPlaceMs: readonly (number | null)[];
  readonly deadlineMs: number;
  readonly staleS: number;
};

export function judgeSight({ renamedMs, inPlaceMs, deadlineMs, staleS }: SightFacts): readonly Check[] {
  const judge = (name: string, seen: readonly (number | null)[], what: string): Check => {
    const known = seen.filter((ms) => ms !== null);
    if (known.length < seen.length || known.length === 0)
      return fail(
        name,
        `another process did not see ${what} within ${deadlineMs} ms`,
        "leases, claims and results would be judged on an old view",
        "mount the storage with close-to-open consistency (no nocto, no writeback cache between machines)",
      );
    const worst = Math.max(...known);
    if (worst > 1_000 + staleS * 1_000)
      return warn(
        name,
        `${what} was seen after ${Math.round(worst)} ms`,
        "readers see old content for longer than lease.stale_s says",
        `set lease.stale_s to at least ${Math.ceil(worst / 1000)}`,
      );
    return ok(name, `${what} is seen by another process within ${Math.max(1, Math.round(worst))} ms`);
  };
  return [judge("rename", renamedMs, "a renamed file"), judge("in place", inPlaceMs, "a record written in place")];
}

export type SyncFacts = { readonly medianMs: number; readonly worstMs: number; readonly inMemory: boolean };

/** No disk and no flash with a volatile cache syncs in less (measured: NVMe with power-loss protection 0.02 ms). */
const TOO_FAST_MS = 0.005;
const SLOW_MS = 1_000;

export function judgeSync({ medianMs, worstMs, inMemory }: SyncFacts): readonly Check[] {
  const name = "fsync";
  const found = `median ${medianMs.toFixed(2)} ms, worst ${worstMs.toFixed(1)} ms`;
  if (medianMs < TOO_FAST_MS || inMemory)
    return [
      warn(
        name,
        found,
        "so fast that nothing reaches a disk: after a power cut, commits and claims may be gone",
        "fine on a laptop; in production use storage that keeps fsync's word (no eatmydata, no nobarrier, no tmpfs)",
      ),
    ];
  if (worstMs > SLOW_MS)
    return [
      warn(
        name,
        found,
        "each commit and each claim waits as long",
        "look at the load of the storage; move the database to a local disk with database.url",
      ),
    ];
  return [ok(name, `${found} (whether it survives a power cut can't be seen from here)`)];
}

export type StorageClockFacts = { readonly offsetMs: number };

export function judgeClock({ offsetMs }: StorageClockFacts): readonly Check[] {
  const name = "clock";
  const found = `this machine is ${Math.abs(offsetMs / 1000).toFixed(1)} s ${offsetMs >= 0 ? "ahead of" : "behind"} the storage`;
  if (Math.abs(offsetMs) > 60_000)
    return [
      fail(name, found, "deadlines, token expiry and event times are wrong by as much", "start NTP (chrony, systemd-timesyncd) on both"),
    ];
  if (Math.abs(offsetMs) > 2_000)
    return [
      warn(
        name,
        found,
        "times in events and logs don't fit together; no interval depends on it",
        "start NTP (chrony, systemd-timesyncd) on both",
      ),
    ];
  return [ok(name, found)];
}

export type SpaceFacts = { readonly path: string; readonly freeBytes: number; readonly freeFiles: number | null };

const LOW_BYTES = 20 * 2 ** 30;
const FULL_BYTES = 2 ** 30;

export function judgeSpace(spaces: readonly SpaceFacts[]): readonly Check[] {
  const name = "disk";
  const text = (one: SpaceFacts): string => `${one.path}: ${(one.freeBytes / 2 ** 30).toFixed(1)} GiB free`;
  const full = spaces.filter((one) => one.freeBytes < FULL_BYTES || (one.freeFiles !== null && one.freeFiles < 1_000));
  if (full.length > 0)
    return [
      fail(
        name,
        full.map(text).join("; "),
        "the next checkpoint, log or commit fails",
        "delete old checkpoints (users/*/jobs/*/checkpoints) or add space",
      ),
    ];
  const low = spaces.filter((one) => one.freeBytes < LOW_BYTES);
  if (low.length > 0)
    return [
      warn(
        name,
        low.map(text).join("; "),
        "one checkpoint of a 7B model with its optimizer takes about 85 GiB, and Ray spills to /tmp",
        "delete old checkpoints, or add space",
      ),
    ];
  return [ok(name, spaces.map(text).join("; "))];
}

export type DatabaseFacts =
  | { readonly kind: "postgres" }
  | { readonly kind: "absent"; readonly path: string }
  | {
      readonly kind: "sqlite";
      readonly path: string;
      readonly mode: number;
      readonly directoryMode: number;
      readonly uid: number;
      readonly network: string | null;
    };

export function judgeDatabase(facts: DatabaseFacts, uid: number): readonly Check[] {
  const name = "database";
  if (facts.kind === "postgres") return [ok(name, "Postgres (who may connect is its own matter)")];
  if (facts.kind === "absent") return [ok(name, `${facts.path} is not there yet; the server makes it with mode 0600`)];
  const { path, mode, directoryMode, network } = facts;
  const checks: Check[] = [];
  if ((mode & 0o077) !== 0 || (directoryMode & 0o077) !== 0)
    checks.push(
      fail(
        name,
        `${path} has mode ${(mode & 0o777).toString(8)}, its directory ${(directoryMode & 0o777).toString(8)}`,
        "other users of this storage can read who runs what, and the hashes of tokens",
        `chmod 600 ${path}*; chmod 700 ${path.slice(0, path.lastIndexOf("/"))}`,
      ),
    );
  else checks.push(ok(name, `${path}, mode 0600`));
  if (network !== null)
    checks.push(
      warn(
        "database place",
        `SQLite on ${network}`,
        "one server only, one connection, and as fast as that mount; a hung mount stops the API",
        "set database.url to a local disk or to Postgres",
      ),
    );
  if (facts.uid === uid)
    checks.push(
      warn(
        "database uid",
        `the database and the jobs belong to one uid (${uid})`,
        "by contract jobs run as the server's uid: the code of a job can read and change the database (it holds hashes, no token)",
        "trust who may submit, or set database.url to Postgres or to a disk that the workers don't see",
      ),
    );
  return checks;
}
