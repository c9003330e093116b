/** Which profile a task gets: the one asked for, or the workload's own, for the verl that stands in its code tree. */
import type { Workload } from "../types.ts";
import { nearest } from "./nearest.ts";
import { compareVersions, profileId, supports, verlMinor } from "./profile.ts";
import type { Profile } from "./profile.ts";

export type Selection =
  | {
      readonly kind: "profile";
      readonly profile: Profile;
      /** The version in the code tree, or the newest the profile is for when the tree names none. */
      readonly verlVersion: string;
      readonly warnings: readonly { readonly code: string; readonly field: string; readonly text: string }[];
    }
  | { readonly kind: "problem"; readonly code: "unsupported_verl" | "unknown_profile"; readonly text: string };

function newestVerl(profile: Profile): string {
  return profile.verl.toSorted(compareVersions).at(-1) ?? "";
}

/** For the newest verl, the highest version: a file `grpo@1.yaml` comes before the built-in `grpo@0.9`. */
function best(profiles: readonly Profile[]): Profile | undefined {
  return profiles.toSorted((a, b) => compareVersions(newestVerl(b), newestVerl(a)) || b.version - a.version)[0];
}

function versionsOf(profiles: readonly Profile[]): string {
  return [...new Set(profiles.flatMap((profile) => profile.verl))].sort(compareVersions).join(", ");
}

function unknown(asked: string, workload: Workload, available: readonly Profile[]): Selection {
  const names = [...new Set(available.filter((profile) => profile.workload === workload).map((profile) => profile.name))];
  const near = nearest(asked.split("@")[0] ?? "", names);
  const hint = near === null ? `there are: ${names.join(", ")}` : `did you mean ${near}?`;
  return { kind: "problem", code: "unknown_profile", text: `no profile ${asked} for ${workload}; ${hint}` };
}

/** The profile that a task was given at its submission; undefined when its file is gone. */
export function findProfile(
  ref: { readonly name: string; readonly verlVersion: string },
  available: readonly Profile[],
): Profile | undefined {
  return available.find((profile) => profileId(profile) === ref.name && supports(profile, ref.verlVersion));
}

/**
 * `asked`: `name` (its highest version that fits) or `name@version`; null = the profile named like the workload.
 * `verlVersion`: the text of `verl/version/version`; null = not there, then the newest verl is assumed and a warning says so.
 */
export function selectProfile(
  workload: Workload,
  verlVersion: string | null,
  asked: string | null,
  available: readonly Profile[],
): Selection {
  const wanted = asked ?? workload;
  const named = available.filter((profile) => profile.name === wanted || profileId(profile) === wanted);
  const fitting = named.filter((profile) => profile.workload === workload);
  const [other] = named;
  if (fitting.length === 0 && other !== undefined) {
    return {
      kind: "problem",
      code: "unknown_profile",
      text: `profile ${profileId(other)} is for ${other.workload}, and this task is ${workload}`,
    };
  }
  if (fitting.length === 0) return unknown(wanted, workload, available);

  const known = verlVersion !== null && verlMinor(verlVersion) !== null ? verlVersion.trim() : null;
  if (known === null) {
    const profile = best(fitting);
    if (profile === undefined) return unknown(wanted, workload, available);
    const assumed = newestVerl(profile);
    const seen = verlVersion === null ? "has no verl/version/version" : "has a verl/version/version that names no version";
    const text = `code_path ${seen}: verl ${assumed} is assumed (profile ${profileId(profile)})`;
    return { kind: "profile", profile, verlVersion: assumed, warnings: [{ code: "verl_version_unknown", field: "code_path", text }] };
  }
  const profile = fitting.filter((candidate) => supports(candidate, known)).toSorted((a, b) => b.version - a.version)[0];
  if (profile === undefined) {
    const text = `verl ${known} has no profile ${asked ?? ""}${asked === null ? "" : " "}for ${workload}; supported: ${versionsOf(fitting)}`;
    return { kind: "problem", code: "unsupported_verl", text };
  }
  return { kind: "profile", profile, verlVersion: known, warnings: [] };
}
