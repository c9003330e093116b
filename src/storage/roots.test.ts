import { describe, expect, it } from "vitest";
import { canonicalToShared, canonicalToWorker, isUnder, jobDirectory, sharedToCanonical, workerToCanonical } from "./roots.ts";

const ROOTS = { sharedRoot: "/home/me/pool/", workerRoot: "/mnt/nfs" };

describe("roots", () => {
  it("maps each way", () => {
    const path = "/private/common/hf";
    expect(canonicalToShared(ROOTS, path)).toBe("/home/me/pool/common/hf");
    expect(canonicalToWorker(ROOTS, path)).toBe("/mnt/nfs/common/hf");
    expect(sharedToCanonical(ROOTS, "/home/me/pool/common/hf")).toBe(path);
    expect(workerToCanonical(ROOTS, "/mnt/nfs/common/hf")).toBe(path);
    expect(canonicalToShared(ROOTS, "/private")).toBe("/home/me/pool");
  });

  it("refuses what is not under the root, by segments", () => {
    expect(isUnder("/private2/a", "/private")).toBe(false);
    expect(() => canonicalToShared(ROOTS, "/private2/a")).toThrow("/private2/a is not under /private");
    expect(() => workerToCanonical(ROOTS, "/mnt/nfs2")).toThrow("is not under");
  });

  it("names job directories of checked ids only", () => {
    const id = "mvp2-a-b-ppo-20260101-000000-deadbeef--a01";
    expect(jobDirectory("a-b", id)).toBe(`/private/users/a-b/jobs/${id}`);
    for (const user of ["..", "", "a/b", "common", "a--b"]) expect(() => jobDirectory(user, id)).toThrow("user id");
    for (const other of ["..", "", `${id}/x`, "mvp2-x"]) expect(() => jobDirectory("a", other)).toThrow("no submission id");
  });
});
