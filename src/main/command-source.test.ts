import { describe, expect, it } from "vitest";
import { manualClock } from "../../test/support/manual-clock.ts";
import type { ProfileFile } from "../storage/profile-files.ts";
import { commandSource } from "./command-source.ts";

const SETTINGS = {
  workerRoot: "/private",
  python: "python3",
  launcherHash: "0123456789ab",
  modulesDir: "/private/common/verlpool/python/x",
  beatS: 5,
  selfFenceS: 30,
  graceS: 20,
  allowedRoots: [],
};

describe("profiles", () => {
  it("that can't be read are said once for each content, and hide no other", async () => {
    const warnings: object[] = [];
    const log = {
      debug: () => undefined,
      info: () => undefined,
      warn: (fields: object) => void warnings.push(fields),
      error: () => undefined,
    };
    const clock = manualClock(0);
    let files: readonly ProfileFile[] = [
      { fileName: "link@1.yaml", problem: "ELOOP" },
      { fileName: "bad@1.yaml", text: "{" },
    ];
    const common = {
      verlVersion: () => Promise.resolve(null),
    };
    const source = commandSource(SETTINGS, () => Promise.resolve(files), common, clock, log);
    const builtin = (await source.list()).length;
    expect(builtin).toBeGreaterThan(0);
    clock.advance(3_000);
    await source.list();
    expect(warnings).toMatchObject([{ file: "link@1.yaml", errors: ["ELOOP"] }, { file: "bad@1.yaml" }]);
    files = [{ fileName: "bad@1.yaml", text: "[" }];
    clock.advance(3_000);
    expect(await source.list()).toHaveLength(builtin);
    expect(warnings).toHaveLength(3);
  });
});
