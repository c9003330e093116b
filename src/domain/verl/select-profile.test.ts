import { describe, expect, it } from "vitest";
import { BUILTIN_PROFILES } from "./builtin-profiles.ts";
import { profileId, supports, verlMinor } from "./profile.ts";
import { findProfile, selectProfile } from "./select-profile.ts";
import { builtin } from "../../../test/support/verl-command.ts";

const LONG = { ...builtin("grpo"), name: "grpo-long", version: 3, settings: {} };
const ALL = [...BUILTIN_PROFILES, LONG, { ...LONG, version: 2 }, { ...LONG, version: 10, verl: ["0.8"] }];

const chosen = (...args: Parameters<typeof selectProfile>) => {
  const selection = selectProfile(...args);
  return selection.kind === "profile" ? `${profileId(selection.profile)} ${selection.verlVersion}` : `${selection.code}: ${selection.text}`;
};

describe("the profile of a task", () => {
  it.each([
    ["0.9.1", "grpo@0.9 0.9.1"],
    ["0.9.0.dev0", "grpo@0.9 0.9.0.dev0"],
    ["0.8.0", "grpo@0.8 0.8.0"],
    ["0.5.0\n", "grpo@0.5 0.5.0"],
  ])("is the built-in one for verl %j", (version, expected) => {
    expect(chosen("grpo", version, null, ALL)).toBe(expected);
  });

  it("is the newest, with a warning, where the code tree names no version", () => {
    const selection = selectProfile("sft", null, null, ALL);
    expect(selection).toMatchObject({
      kind: "profile",
      verlVersion: "0.9",
      warnings: [{ code: "verl_version_unknown", field: "code_path" }],
    });
  });

  it("is the newest, with a warning, where the version is no version", () => {
    expect(selectProfile("ppo", "main", null, ALL)).toMatchObject({ kind: "profile", verlVersion: "0.9", warnings: [{}] });
  });

  it.each([
    ["ppo", "0.10.0", /unsupported_verl: verl 0\.10\.0 has no profile for ppo; supported: 0\.5, 0\.6, 0\.7, 0\.8, 0\.9/],
    ["ppo", "0.4.1", /unsupported_verl/],
    ["sft", "0.6.1", /unsupported_verl/],
    ["sft", "0.7.0", /unsupported_verl/],
  ] as const)("is refused for %s on verl %s", (workload, version, message) => {
    expect(chosen(workload, version, null, ALL)).toMatch(message);
  });

  it("is the highest version of a name that fits this verl", () => {
    expect(chosen("grpo", "0.9.1", "grpo-long", ALL)).toBe("grpo-long@3 0.9.1");
    expect(chosen("grpo", "0.8.0", "grpo-long", ALL)).toBe("grpo-long@10 0.8.0");
  });

  it("is the very one when a version is named", () => {
    expect(chosen("grpo", "0.9.1", "grpo-long@2", ALL)).toBe("grpo-long@2 0.9.1");
    expect(chosen("grpo", "0.9.1", "grpo-long@10", ALL)).toMatch(/unsupported_verl: verl 0\.9\.1 has no profile grpo-long@10/);
    expect(chosen("grpo", "0.9.1", "grpo@0.9", ALL)).toBe("grpo@0.9 0.9.1");
  });

  it("is an operator's file of the workload's name before the built-in", () => {
    expect(chosen("grpo", "0.9.1", null, [...ALL, { ...LONG, name: "grpo", version: 1 }])).toBe("grpo@1 0.9.1");
  });

  it("is not one of another workload", () => {
    expect(chosen("ppo", "0.9.1", "grpo-long", ALL)).toMatch(/unknown_profile: profile grpo-long@3 is for grpo, and this task is ppo/);
  });

  it("that nobody knows is refused with the nearest name", () => {
    expect(chosen("grpo", "0.9.1", "grpo-lnog", ALL)).toMatch(/unknown_profile: no profile grpo-lnog for grpo; did you mean grpo-long\?/);
    expect(chosen("grpo", "0.9.1", "zzz", ALL)).toMatch(/there are: grpo, grpo-long/);
    expect(chosen("grpo", null, "grpo-long@7", ALL)).toMatch(/unknown_profile/);
  });

  it("is found again by what the task's row holds", () => {
    expect(findProfile({ name: "grpo-long@2", verlVersion: "0.9.1" }, ALL)?.version).toBe(2);
    expect(findProfile({ name: "ppo@0.8", verlVersion: "0.8.0" }, ALL)?.exclusive).toBe(true);
    expect(findProfile({ name: "gone@1", verlVersion: "0.9.1" }, ALL)).toBeUndefined();
  });
});

describe("built-in profiles", () => {
  it("have ids of their own", () => {
    const ids = BUILTIN_PROFILES.map(profileId);
    expect(ids).toEqual([...new Set(ids)]);
  });

  it("run alone where this verl's side-by-side safety is not known", () => {
    for (const profile of BUILTIN_PROFILES)
      expect([profileId(profile), profile.exclusive]).toEqual([profileId(profile), !profile.verl.includes("0.9")]);
  });
});

describe("a verl version", () => {
  it.each([
    ["0.9.1", "0.9"],
    ["0.10.0", "0.10"],
    ["v0.9.1", "0.9"],
    ["0.9rc1", "0.9"],
    ["0.9", "0.9"],
    ["main", null],
    ["", null],
    ["0.9 x", null],
  ])("%j has the minor %j", (version, minor) => {
    expect(verlMinor(version)).toBe(minor);
  });

  it("is supported by minor or by release", () => {
    expect(supports({ verl: ["0.7.1"] }, "0.7.1")).toBe(true);
    expect(supports({ verl: ["0.7.1"] }, "0.7.0")).toBe(false);
    expect(supports({ verl: ["0.7"] }, "0.7.0")).toBe(true);
    expect(supports({ verl: ["0.1"] }, "0.10.0")).toBe(false);
  });
});
