import { describe, expect, it } from "vitest";
import { entrypoint, fromRoot, isUnderCommon, jobDir, jobPaths, launcherPath, toRoot } from "./storage-layout.ts";

const SUBMISSION = "mvp2-alice-ppo-20260102-030405-0123abcd--a01";

describe("roots", () => {
  it.each([
    ["/private/common/a", "/private", "/private/common/a"],
    ["/private/common/a", "/srv/pool", "/srv/pool/common/a"],
    ["/private", "/srv/pool", "/srv/pool"],
    ["/private/common/a", "/", "/common/a"],
  ])("%s under %s is %s, and back", (canonical, root, path) => {
    expect(toRoot(canonical, root)).toBe(path);
    expect(fromRoot(path, root)).toBe(canonical);
  });

  it("refuse a path that is not canonical", () => {
    expect(() => toRoot("/privateX/a", "/srv")).toThrow(/not a path under \/private/);
    expect(() => toRoot("etc/passwd", "/srv")).toThrow(/not a path under \/private/);
  });

  it("do not find a path of another root", () => {
    expect(fromRoot("/srv/pool2/common", "/srv/pool")).toBeNull();
  });
});

describe("/private/common", () => {
  it.each(["/private/common/a", "/private/common/code/verl-0.9.1", "/private/common/_a/b.parquet"])("holds %s", (path) => {
    expect(isUnderCommon(path)).toBe(true);
  });

  it.each(["/private/common", "/private/commonX/a", "/private/common/../users", "/private/users/a", "/private/common/a/"])(
    "does not hold %s",
    (path) => {
      expect(isUnderCommon(path)).toBe(false);
    },
  );
});

describe("a job directory", () => {
  it("lies under its user and its submission", () => {
    expect(jobDir("alice", SUBMISSION)).toBe(`/private/users/alice/jobs/${SUBMISSION}`);
    expect(jobPaths("alice", SUBMISSION)).toMatchObject({
      metrics: `/private/users/alice/jobs/${SUBMISSION}/logs/metrics.jsonl`,
      claim: `/private/users/alice/jobs/${SUBMISSION}/control/claim`,
      result: `/private/users/alice/jobs/${SUBMISSION}/result.json`,
    });
  });

  it.each([
    ["..", SUBMISSION],
    ["alice", "x"],
    ["alice", "../../common"],
    ["alice", "mvp2-a--a01"],
    ["a/b", SUBMISSION],
    ["", SUBMISSION],
  ])("is not made for user %j and submission %j", (user, submission) => {
    expect(() => jobDir(user, submission)).toThrow(/is not a (user|submission) id/);
  });
});

describe("the entrypoint", () => {
  it("is the constant line of the contract", () => {
    expect(entrypoint("/private", "0123456789ab", "alice", SUBMISSION)).toBe(
      `exec python3 -I -S /private/common/verlpool/launcher/0123456789ab/launch.py /private/users/alice/jobs/${SUBMISSION}`,
    );
  });

  it("takes the pool's interpreter", () => {
    expect(entrypoint("/srv/p", "0123456789ab", "alice", SUBMISSION, "/opt/v/bin/python")).toMatch(
      /^exec \/opt\/v\/bin\/python -I -S \/srv\/p\//,
    );
  });

  it.each(["/a b", "/a;b", "/a$b", "relative", "/a'b", "/a\nb", "/é", ""])("refuses the worker root %j", (root) => {
    expect(() => entrypoint(root, "0123456789ab", "alice", SUBMISSION)).toThrow(/worker_root/);
  });

  it.each(["python3 -c x", "-c", "$(id)", "", "a;b"])("refuses the interpreter %j", (python) => {
    expect(() => entrypoint("/private", "0123456789ab", "alice", SUBMISSION, python)).toThrow(/pool\.python/);
  });

  it.each(["", "0123456789a", "../../../../tmp", "0123456789AB"])("refuses the launcher hash %j", (hash) => {
    expect(() => launcherPath(hash)).toThrow(/12 hex digits/);
  });
});
