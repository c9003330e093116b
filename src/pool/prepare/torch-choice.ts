/**
 * Which build of torch pip would take: the CPU one (some 200 MB) or the CUDA one (several GB with its nvidia-* packages). On a machine without GPU, PyPI
 * gives Linux x86-64 the CUDA build to a plain `torch`, so the installer looks first and chooses on purpose.
 */
import { readFile, rm } from "node:fs/promises";
import { runChild, type ChildEnd } from "./child.ts";

export type TorchBuild = {
  readonly flavour: "cpu" | "cuda";
  /** With its local part (`2.13.0+cpu`) where the wheel has one: then it is pinned by it. Null when pip was stopped before it knew. */
  readonly version: string | null;
  /** Why we say so, for people. */
  readonly evidence: string;
};

/** A CPU wheel of torch 2 weighs 70 to 200 MB, a CUDA wheel more than 500 MB without the packages it pulls. */
const CUDA_WHEEL_MB = 350;

/** The build in pip's report of a dry run (`--report`, format 1). Throws when the report has no torch. */
export function readTorchReport(text: string): TorchBuild {
  const report = JSON.parse(text) as {
    install: readonly {
      metadata: { name: string; version: string; requires_dist?: readonly string[] };
      download_info: { url: string };
    }[];
  };
  const torch = report.install.find((item) => item.metadata.name.toLowerCase() === "torch");
  if (torch === undefined) throw new Error("pip's report names no torch");
  const { version, requires_dist: needs = [] } = torch.metadata;
  const file = decodeURIComponent(torch.download_info.url.slice(torch.download_info.url.lastIndexOf("/") + 1));
  const gpuPackages = needs.filter((need) => /^(?:nvidia-|cuda-|triton)/.test(need));
  const isCuda = /\+(?:cu|rocm)\d/.test(version) || gpuPackages.length > 0;
  const evidence = isCuda ? `${file} pulls ${gpuPackages.length} packages such as ${gpuPackages[0] ?? version}` : file;
  return { flavour: isCuda ? "cuda" : "cpu", version, evidence };
}

/**
 * What a line of pip's output says of torch, or null. Where an index offers no metadata of its own, pip downloads the wheel in order to read it, dry run or
 * not; its announcement comes before the bytes, so the download is stopped there.
 */
export function readDownloadLine(line: string): TorchBuild | null {
  const match = /Downloading\s+(?:\S*\/)?(torch-([^-\s]+)-\S+\.whl)\s+\((\d+(?:\.\d+)?)\s*(MB|GB)\)/.exec(line);
  if (match === null) return null;
  const [, file = "", version = "", size = "0", unit] = match;
  const megabytes = Number(size) * (unit === "GB" ? 1000 : 1);
  const isCpu = /(?:\+|%2B)cpu/.test(version) || megabytes < CUDA_WHEEL_MB;
  return { flavour: isCpu ? "cpu" : "cuda", version: null, evidence: `${file} weighs ${size} ${unit ?? "MB"}` };
}

export type TorchQuestion = {
  /** The Python of the environment, with pip. */
  readonly python: string;
  /** `torch==2.13.0` */
  readonly requirement: string;
  /** pip options such as `--extra-index-url`. */
  readonly pipArgs: readonly string[];
  readonly env: { readonly [key: string]: string };
  readonly logFile: string;
  readonly reportFile: string;
};

const DRY_RUN = "-m pip install --dry-run --ignore-installed --no-deps --no-input --disable-pip-version-check --progress-bar off".split(
  " ",
);

function dryRunArgs(question: TorchQuestion): readonly string[] {
  return [...DRY_RUN, "--report", question.reportFile, ...question.pipArgs, question.requirement];
}

/** Asks pip, installing nothing. A CUDA wheel is never downloaded for the answer. */
export async function resolveTorch(question: TorchQuestion, signal: AbortSignal): Promise<TorchBuild> {
  let seen: TorchBuild | null = null;
  const end = await runChild(
    {
      command: question.python,
      args: dryRunArgs(question),
      env: question.env,
      logFile: question.logFile,
      onLine: (line) => {
        seen ??= readDownloadLine(line);
        return seen?.flavour === "cuda" ? "stop" : "go_on";
      },
    },
    signal,
  );
  if (end.stopped && seen !== null) return seen;
  if (end.exitCode !== 0) throw new Error(cannotResolve(question, end));
  const build = readTorchReport(await readFile(question.reportFile, "utf8"));
  await rm(question.reportFile, { force: true });
  return build;
}

function cannotResolve(question: TorchQuestion, end: ChildEnd): string {
  const words = end.tail.slice(-4).map((line) => `    ${line}`);
  return [
    `pip finds no ${question.requirement} for this Python:`,
    ...words,
    "Is a package index reachable (pip config list)? Give --torch-index URL, another --python (3.11 has the most wheels), or PIP_FIND_LINKS=<folder of wheels>.",
    `The whole log: ${question.logFile}`,
  ].join("\n");
}

export type TorchDecision =
  | { readonly kind: "take"; readonly text: string; readonly warning: string | null }
  | { readonly kind: "refuse"; readonly text: string };

/** Whether to install what pip resolved. A CUDA build without a GPU is taken only if asked for. */
export function decideTorch(build: TorchBuild, hasGpu: boolean, allowCuda: boolean): TorchDecision {
  const named = build.version === null ? "" : ` ${build.version}`;
  if (build.flavour === "cpu") {
    const warning = hasGpu
      ? `an NVIDIA GPU is here, but pip finds a CPU build of torch${named} (${build.evidence}): training would not use the GPU. Give --torch-index with an index of CUDA builds, or unset PIP_FIND_LINKS`
      : null;
    return { kind: "take", text: `torch${named}, CPU build (${build.evidence})`, warning };
  }
  if (hasGpu)
    return { kind: "take", text: `torch${named}, CUDA build, since an NVIDIA GPU is here; several GB (${build.evidence})`, warning: null };
  if (allowCuda)
    return { kind: "take", text: `torch${named}, CUDA build, since --allow-cuda was given; several GB (${build.evidence})`, warning: null };
  return {
    kind: "refuse",
    text: [
      `pip would take the CUDA build of torch${named} (${build.evidence}): several GB that this machine, which has no NVIDIA GPU, can't use. Nothing was installed. Choose one:`,
      "  --torch-index URL          an index of CPU builds (pytorch.org, Get Started, Compute Platform CPU, shows its URL; a company's mirror does as well)",
      "  PIP_FIND_LINKS=FOLDER      a folder that holds a CPU wheel of torch for this Python",
      "  --existing-python PYTHON   an environment that has verl already",
      "  --allow-cuda               the CUDA build all the same, for instance to prepare shared storage for GPU workers",
    ].join("\n"),
  };
}
