/** One line of `verlpool doctor`: what was looked at, what was found, and, unless it is well, what that means and what to do. */
export type Check = {
  readonly name: string;
  readonly status: "ok" | "warn" | "fail";
  readonly found: string;
  /** Null when it is well. */
  readonly means: string | null;
  readonly fix: string | null;
};

export function ok(name: string, found: string): Check {
  return { name, status: "ok", found, means: null, fix: null };
}

export function warn(name: string, found: string, means: string, fix: string): Check {
  return { name, status: "warn", found, means, fix };
}

export function fail(name: string, found: string, means: string, fix: string): Check {
  return { name, status: "fail", found, means, fix };
}

const GIB = 1 << 30;

export function gib(bytes: number): string {
  return `${(bytes / GIB).toFixed(bytes < 10 * GIB ? 1 : 0)} GiB`;
}
