/** Each check in a faked world: what is well, what is a warning, and what fails. */
import { describe, expect, test } from "vitest";
import type { Check } from "./check.ts";
import { judgeContainment, judgeLimits, judgePort, judgeShm, judgeToken } from "./machine-checks.ts";
import { type HeadFacts, judgeDoor, judgeHead, judgeNodes, judgeVersions, judgeWorkerFile, type NodeFacts } from "./pool-checks.ts";
import {
  judgeClock,
  judgeDatabase,
  judgeMount,
  judgePermissions,
  judgeRaces,
  judgeSight,
  judgeSpace,
  judgeSync,
  type MountFacts,
} from "./storage-checks.ts";

const GIB = 2 ** 30;

function statuses(checks: readonly Check[]): readonly string[] {
  return checks.map(({ name, status }) => `${status} ${name}`);
}

describe("mount", () => {
  const local: MountFacts = {
    root: "/private",
    mount: { at: "/private", type: "ext4", options: ["rw"] },
    network: null,
    selfFenceS: 30,
    staleS: 0,
  };
  const nfs = (options: readonly string[]): MountFacts => ({ ...local, network: "nfs", mount: { at: "/private", type: "nfs4", options } });
  test.each<[string, MountFacts, string]>([
    ["a local disk is well", local, "ok"],
    ["no directory fails", { ...local, mount: null }, "fail"],
    ["NFS with the intervals of a local disk is a warning", nfs(["hard"]), "warn"],
    ["NFS with its own intervals is well", { ...nfs(["hard"]), selfFenceS: 180, staleS: 65 }, "ok"],
    ["a soft NFS mount fails, whatever the intervals", { ...nfs(["rw", "soft"]), selfFenceS: 180, staleS: 65 }, "fail"],
    ["NFS without close-to-open fails", { ...nfs(["nocto"]), selfFenceS: 180, staleS: 65 }, "fail"],
    ["memory is a warning", { ...local, mount: { at: "/private", type: "tmpfs", options: [] } }, "warn"],
    ["the container's own layer is a warning", { ...local, mount: { at: "/", type: "overlay", options: [] } }, "warn"],
  ])("%s", (_, facts, status) => {
    expect(statuses(judgeMount(facts))).toEqual([`${status} mount`]);
  });
});

describe("permissions", () => {
  const mine = { path: "/private/common", uid: 1000, mode: 0o40755, isWritable: true };
  test.each([
    ["ours is well", [mine], "ok"],
    ["what can't be written fails", [{ ...mine, isWritable: false, uid: 0 }], "fail"],
    ["another uid's is a warning", [{ ...mine, uid: 1001 }], "warn"],
    ["discovery that others write fails", [{ ...mine, path: "/private/ray/discovery/default", mode: 0o40775 }], "fail"],
  ])("%s", (_, paths, status) => {
    expect(statuses(judgePermissions(paths, 1000))).toEqual([`${status} permissions`]);
  });
});

describe("what two processes saw", () => {
  test("one winner in each race is well; two winners, none, and an error are not", () => {
    const judge = (winners: readonly (number | null)[], error: string | null = null): readonly Check[] =>
      judgeRaces({ rounds: 2, linkWinners: winners, exclusiveWinners: [1, 1], error });
    expect(statuses(judge([1, 1]))).toEqual(["ok link", "ok O_EXCL"]);
    expect(judge([1, 2])[0]).toMatchObject({ status: "fail", means: expect.stringContaining("started twice") });
    expect(judge([0, 0])[0]).toMatchObject({ status: "fail", means: expect.stringContaining("no task would start") });
    expect(judge([null, null], "EPERM: operation not permitted, link")[0]).toMatchObject({
      status: "fail",
      found: expect.stringContaining("EPERM"),
    });
    expect(judge([1])[0]?.status).toBe("fail");
  });

  test("what is seen late is a warning, unless lease.stale_s allows for it; what is never seen fails", () => {
    const judge = (renamedMs: readonly (number | null)[], staleS: number): readonly Check[] =>
      judgeSight({ renamedMs, inPlaceMs: [2], deadlineMs: 10_000, staleS });
    expect(statuses(judge([3, 4], 0))).toEqual(["ok rename", "ok in place"]);
    expect(judge([3, 4_000], 0)[0]).toMatchObject({ status: "warn", fix: "set lease.stale_s to at least 4" });
    expect(judge([3, 4_000], 65)[0]?.status).toBe("ok");
    expect(judge([3, null], 65)[0]?.status).toBe("fail");
  });

  test("an fsync that costs nothing, or a second, is a warning", () => {
    expect(statuses(judgeSync({ medianMs: 2, worstMs: 20, inMemory: false }))).toEqual(["ok fsync"]);
    expect(statuses(judgeSync({ medianMs: 0.001, worstMs: 0.1, inMemory: false }))).toEqual(["warn fsync"]);
    expect(statuses(judgeSync({ medianMs: 2, worstMs: 20, inMemory: true }))).toEqual(["warn fsync"]);
    expect(statuses(judgeSync({ medianMs: 2, worstMs: 1_500, inMemory: false }))).toEqual(["warn fsync"]);
  });

  test.each([
    [500, "ok"],
    [-3_000, "warn"],
    [90_000, "fail"],
    [-3_600_000, "fail"],
  ])("a clock that is %d ms from the storage's", (offsetMs, status) => {
    expect(judgeClock({ offsetMs })[0]?.status).toBe(status);
  });
});

test("disk space: what is low is named, a full one fails, and so does one without room for files", () => {
  const judge = (gib: number, freeFiles: number | null = 10_000): readonly Check[] =>
    judgeSpace([
      { path: "/private", freeBytes: gib * GIB, freeFiles },
      { path: "/tmp", freeBytes: 900 * GIB, freeFiles: null },
    ]);
  expect(judge(500)[0]).toMatchObject({ status: "ok", found: "/private: 500.0 GiB free; /tmp: 900.0 GiB free" });
  expect(judge(5)[0]).toMatchObject({ status: "warn", found: "/private: 5.0 GiB free" });
  expect(judge(0.5)[0]?.status).toBe("fail");
  expect(judge(500, 3)[0]?.status).toBe("fail");
});

describe("database", () => {
  const sqlite = {
    kind: "sqlite",
    path: "/private/common/db/mvp.sqlite3",
    mode: 0o100600,
    directoryMode: 0o40700,
    uid: 1,
    network: null,
  } as const;
  test.each([
    ["0600 in 0700, of another uid than the jobs", sqlite, ["ok database"]],
    ["readable for a group", { ...sqlite, mode: 0o100640 }, ["fail database"]],
    ["in an open directory", { ...sqlite, directoryMode: 0o40755 }, ["fail database"]],
    ["of the jobs' uid", { ...sqlite, uid: 1000 }, ["ok database", "warn database uid"]],
    ["on NFS", { ...sqlite, network: "nfs" }, ["ok database", "warn database place"]],
    ["Postgres", { kind: "postgres" as const }, ["ok database"]],
    ["not there yet", { kind: "absent" as const, path: "/private/common/db/mvp.sqlite3" }, ["ok database"]],
  ])("%s", (_, facts, found) => {
    expect(statuses(judgeDatabase(facts, 1000))).toEqual(found);
  });
});

describe("machine", () => {
  test("the port is free, ours, or in the way", () => {
    expect([judgePort(8080, "free"), judgePort(8080, "ours"), judgePort(8080, "stranger")].flatMap(statuses)).toEqual([
      "ok port",
      "ok port",
      "fail port",
    ]);
  });

  test("no namespaces are a warning", () => {
    expect([judgeContainment("pidns"), judgeContainment("userns"), judgeContainment("none")].flatMap(statuses)).toEqual([
      "ok namespaces",
      "ok namespaces",
      "warn namespaces",
    ]);
  });

  test("limits that Ray outgrows are a warning, limits that stop it fail", () => {
    const judge = (openFiles: number, processes: number): string | undefined => judgeLimits({ openFiles, processes })[0]?.status;
    expect([judge(1_048_576, Number.POSITIVE_INFINITY), judge(20_000, 100_000), judge(256, 100_000), judge(1_048_576, 500)]).toEqual([
      "ok",
      "warn",
      "fail",
      "fail",
    ]);
  });

  test("Docker's 64 MB of shared memory are a warning", () => {
    expect(judgeShm([{ where: "here", totalBytes: 64e6, freeBytes: 64e6 }])[0]?.status).toBe("warn");
    expect(judgeShm([{ where: "here", totalBytes: 64 * GIB, freeBytes: 60 * GIB }])[0]?.status).toBe("ok");
  });

  test.each([
    ["", "warn"],
    ["mvp-dev-token", "warn"],
    ["short", "fail"],
    ["aaaaaaaaaaaaaaaaaaaaaaaa", "warn"],
    ["9f86d081884c7d659a2feaa0c55ad015", "ok"],
  ])("the admin token %j", (token, status) => {
    const [check] = judgeToken("MVP_INTERNAL_TOKEN", token);
    expect(check?.status).toBe(status);
    if (token !== "") expect(JSON.stringify(check)).not.toContain(token);
  });
});

const HEAD = {
  kind: "ok",
  host: "head-1",
  address: "10.0.0.1:6379",
  released: false,
  ageMs: 3_000,
  rayVersion: "2.60.0",
  pythonVersion: "3.12.3",
} as const satisfies HeadFacts;

const NODE: NodeFacts = {
  node: "gpu-1",
  state: "joined",
  why: null,
  ageMs: 2_000,
  rayVersion: "2.60.0",
  pythonVersion: "3.12.9",
  agentVersion: "2.5.0",
  clockOffsetMs: 10,
  containment: "pidns",
};

describe("pool", () => {
  test.each<[string, HeadFacts, string]>([
    ["a head that beats is well", HEAD, "ok"],
    ["none is a warning", { kind: "absent" }, "warn"],
    ["one that starts is a warning", { kind: "starting", host: "head-1" }, "warn"],
    ["one that was stopped is a warning", { ...HEAD, released: true }, "warn"],
    ["a silent one fails", { ...HEAD, ageMs: 31_000 }, "fail"],
    ["one that is not believed fails", { kind: "unreadable", why: "it belongs to uid 7" }, "fail"],
  ])("%s", (_, head, status) => {
    expect(statuses(judgeHead(head))).toEqual([`${status} head`]);
  });

  test("each weakness of a worker is told with its name", () => {
    expect(statuses(judgeNodes([NODE]))).toEqual(["ok workers"]);
    expect(statuses(judgeNodes([]))).toEqual(["warn workers"]);
    expect(judgeNodes([{ ...NODE, ageMs: 40_000 }])[0]).toMatchObject({ status: "warn", found: "gpu-1 is silent for 40 s" });
    expect(judgeNodes([{ ...NODE, state: "searching", why: "head.json is old" }])[0]?.found).toBe("gpu-1 is searching (head.json is old)");
    expect(statuses(judgeNodes([{ ...NODE, clockOffsetMs: -5_000 }]))).toEqual(["warn worker clocks"]);
    expect(statuses(judgeNodes([{ ...NODE, containment: "none" }]))).toEqual(["warn worker namespaces"]);
  });

  test("another Ray or another minor Python fails, another agent is a warning, a patch level is well", () => {
    expect(statuses(judgeVersions(HEAD, [NODE], "2.5.0"))).toEqual(["ok versions"]);
    expect(statuses(judgeVersions(HEAD, [NODE, { ...NODE, rayVersion: "2.51.1" }], "2.5.0"))).toEqual(["fail versions"]);
    expect(statuses(judgeVersions(HEAD, [{ ...NODE, pythonVersion: "3.11.7" }], "2.5.0"))).toEqual(["fail versions"]);
    expect(statuses(judgeVersions(HEAD, [{ ...NODE, agentVersion: "2.4.0" }], "2.5.0"))).toEqual(["warn versions"]);
  });

  test("an open dashboard fails, one that can't be asked is a warning", () => {
    expect(
      [judgeDoor({ kind: "closed" }), judgeDoor({ kind: "open" }), judgeDoor({ kind: "unknown", why: "refused" })].flatMap(statuses),
    ).toEqual(["ok Ray's door", "fail Ray's door", "warn Ray's door"]);
  });

  test("a worker's file must be seen here, be the same, and have our uid; what could not be tried is said", () => {
    const seen = { kind: "seen", node: "gpu-1", uid: 1000, mode: 0o100600, isSame: true } as const;
    const judge = (file: Parameters<typeof judgeWorkerFile>[0]): string | undefined => judgeWorkerFile(file, 1000)[0]?.status;
    expect(judge(seen)).toBe("ok");
    expect(judge({ ...seen, uid: 65534 })).toBe("fail");
    expect(judge({ ...seen, isSame: false })).toBe("fail");
    expect(judge({ kind: "not_seen", node: "gpu-1", path: "/private/common/x" })).toBe("fail");
    expect(judge({ kind: "unproven", why: "there is no head" })).toBe("warn");
  });
});
