/** A root directory with almost nothing in it, entered by chroot in a mount namespace of its own: what a host without Node offers. */
import { type ChildProcessByStdio, execFileSync, spawn } from "node:child_process";
import { chmodSync, copyFileSync, existsSync, mkdirSync, realpathSync, statSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import type { Readable } from "node:stream";

export type BareRoot = {
  readonly path: string;
  /** Runs a program of it with nothing but this environment. The mounts go with the last process of theirs. */
  readonly start: (argv: readonly string[], env?: { readonly [name: string]: string }) => ChildProcessByStdio<null, Readable, Readable>;
};

/** A folder or file of this machine, and where it is seen. */
export type Shown = { readonly from: string; readonly at: string };

const CHROOT = "/usr/sbin/chroot";

/** Holds `sh` and the programs in /bin, the libraries of these and of the executables (ldd), /proc, /dev, an empty /tmp, and what is `shown`. */
export function makeBareRoot(
  path: string,
  executables: readonly string[],
  shown: readonly Shown[],
  programs: readonly string[] = [],
): BareRoot {
  for (const folder of ["bin", "proc", "dev", "tmp", "private", "state"]) mkdirSync(join(path, folder), { recursive: true });
  chmodSync(join(path, "tmp"), 0o1777);
  const inside = ["/bin/sh", ...programs];
  for (const program of inside) copyFileSync(realpathSync(program), join(path, "bin", basename(program)));
  for (const library of new Set([...inside, ...executables].flatMap((program) => librariesOf(program)))) {
    mkdirSync(join(path, dirname(library)), { recursive: true });
    copyFileSync(realpathSync(library), join(path, library));
  }
  const kernels = ["/proc", "/dev"].map((place): Shown => ({ from: place, at: place }));
  const mounts = [...kernels, ...shown].map(({ from, at }) => {
    makePlace(join(path, at), statSync(from).isDirectory());
    return `mount --rbind '${from}' '${path}${at}'`;
  });
  const namespaces = process.getuid?.() === 0 ? ["--mount"] : ["--user", "--map-root-user", "--mount"];
  const enter = `${mounts.join(" && ")} && exec ${CHROOT} '${path}' "$@"`;
  return {
    path,
    start: (argv, env = {}) =>
      spawn("unshare", [...namespaces, "/bin/sh", "-c", enter, "enter", ...argv], {
        env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin", ...env },
        stdio: ["ignore", "pipe", "pipe"],
      }),
  };
}

function makePlace(path: string, isFolder: boolean): void {
  if (existsSync(path)) return;
  mkdirSync(isFolder ? path : dirname(path), { recursive: true });
  if (!isFolder) writeFileSync(path, "");
}

/** Absolute paths of what the loader would take, the loader itself among them. */
function librariesOf(program: string): readonly string[] {
  return [...execFileSync("ldd", [program], { encoding: "utf8" }).matchAll(/(?:=> )?(\/\S+) \(0x/g)].map(([, library = ""]) => library);
}
