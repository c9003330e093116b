/** A profile: the operator's training settings that the TaskSpec has no field for. Readable, named, versioned, never changed once published. */
import type { Workload } from "../types.ts";

/** A value of verl's configuration. A whole number is passed as an int, whatever its YAML spelling. */
export type Setting = string | number | boolean | null | readonly Setting[] | { readonly [key: string]: Setting };

export type TrainerDevice = "cuda" | "cpu";

export type Profile = {
  readonly name: string;
  /** 1, 2, … for files; 0 for the built-in ones, so that any file of the same name comes before them. */
  readonly version: number;
  readonly workload: Workload;
  /** verl versions it is for: minors (`0.9`) or exact releases (`0.7.1`). */
  readonly verl: readonly string[];
  readonly description: string;
  /** The Python module that is the driver, e.g. `verl.trainer.main_ppo`. */
  readonly driver: string;
  /** `trainer.device` where the TaskSpec leaves it null. */
  readonly device: TrainerDevice;
  /** True = no other task may run in the pool beside it: this verl is not known to share a Ray cluster (verl-facts.md). */
  readonly exclusive: boolean;
  /** The interpreter of the driver; null = the pool's. */
  readonly python: string | null;
  /** CPUs in the bundle of each GPU, as this verl's placement groups ask for them. */
  readonly cpusPerGpu: number;
  /** CPUs a node that verl's actors outside the placement groups may hold (TransferQueue: its controller and storage units). */
  readonly cpusExtra: number;
  /** How many checkpoints verl keeps; null = all. */
  readonly keepCheckpoints: number | null;
  /** Hydra key → value. A leading `+` adds a key that verl's own configuration lacks. */
  readonly settings: { readonly [key: string]: Setting };
  readonly env: { readonly [key: string]: string };
};

/** `name@version`, or `name@<verl>` for a built-in: unique, in the database and for users who pin one. */
export function profileId(profile: Pick<Profile, "name" | "version" | "verl">): string {
  return `${profile.name}@${profile.version === 0 ? (profile.verl[0] ?? "") : profile.version}`;
}

/** `0.9.1` → `0.9`; null for a text that is no version. Suffixes (`.dev0`, `rc1`) count as the release they lead to. */
export function verlMinor(version: string): string | null {
  const match = /^v?(\d{1,4})\.(\d{1,4})(?:[.\-+a-z]|$)/i.exec(version.trim());
  return match === null ? null : `${Number(match[1])}.${Number(match[2])}`;
}

function verlRelease(version: string): string | null {
  const match = /^v?(\d{1,4})\.(\d{1,4})\.(\d{1,4})/i.exec(version.trim());
  return match === null ? null : `${Number(match[1])}.${Number(match[2])}.${Number(match[3])}`;
}

/** Whether `profile` says it is for this verl: by minor, or by exact release. */
export function supports(profile: Pick<Profile, "verl">, version: string): boolean {
  const minor = verlMinor(version);
  const release = verlRelease(version);
  return profile.verl.some((entry) => entry === minor || entry === release);
}

/** Orders versions by number, so that 0.10 is after 0.9. */
export function compareVersions(a: string, b: string): number {
  const left = a.split(".").map(Number);
  const right = b.split(".").map(Number);
  for (let i = 0; i < Math.max(left.length, right.length); i += 1) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
