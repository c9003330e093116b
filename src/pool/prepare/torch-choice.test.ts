import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { decideTorch, readDownloadLine, readTorchReport, resolveTorch } from "./torch-choice.ts";

// Shapes of pip's report (format 1) and of its output, from pip 23.2 with torch 2.13.0.
function report(version: string, url: string, needs: readonly string[]): string {
  return JSON.stringify({
    version: "1",
    install: [{ download_info: { url }, metadata: { name: "torch", version, requires_dist: needs } }],
  });
}

const CUDA_NEEDS = [
  "filelock",
  'cuda-bindings<14,>=13.0.3; platform_system == "Linux"',
  'nvidia-cudnn-cu13==9.20.0.48; platform_system == "Linux"',
  'triton==3.7.1; platform_system == "Linux"',
];

describe("pip's report", () => {
  test("a wheel that needs no NVIDIA package is a CPU build", () => {
    const build = readTorchReport(
      report("2.13.0+cpu", "file:///wheels/torch-2.13.0%2Bcpu-cp311-cp311-linux_x86_64.whl", ["filelock", "sympy>=1.13.3"]),
    );
    expect(build).toEqual({ flavour: "cpu", version: "2.13.0+cpu", evidence: "torch-2.13.0+cpu-cp311-cp311-linux_x86_64.whl" });
  });

  test("a plain version that pulls NVIDIA packages is a CUDA build", () => {
    const build = readTorchReport(report("2.13.0", "https://files.test/torch-2.13.0-cp311-cp311-manylinux_2_28_x86_64.whl", CUDA_NEEDS));
    expect(build.flavour).toBe("cuda");
    expect(build.evidence).toContain("pulls 3 packages such as cuda-bindings");
  });

  test("a local version of a CUDA index is a CUDA build, whatever it needs", () => {
    expect(readTorchReport(report("2.13.0+cu130", "https://files.test/torch-2.13.0%2Bcu130-cp311.whl", [])).flavour).toBe("cuda");
  });

  test("a plain version without NVIDIA packages, as on aarch64 and macOS, is a CPU build", () => {
    expect(
      readTorchReport(report("2.13.0", "https://files.test/torch-2.13.0-cp311-none-macosx_14_0_arm64.whl", ["filelock"])).flavour,
    ).toBe("cpu");
  });

  test("a report without torch is an error", () => {
    expect(() => readTorchReport('{"install": []}')).toThrow("names no torch");
  });
});

describe("pip's announcement of a download", () => {
  test("a big wheel without a local version is taken for CUDA before a byte of it is read", () => {
    const build = readDownloadLine("  Downloading torch-2.13.0-cp311-cp311-manylinux_2_28_x86_64.whl (526.6 MB)");
    expect(build).toMatchObject({ flavour: "cuda", version: null });
  });

  test("a wheel that calls itself cpu, or is small, is a CPU build", () => {
    expect(readDownloadLine("Downloading https://i.test/torch-2.13.0%2Bcpu-cp311-cp311-linux_x86_64.whl (191.8 MB)")?.flavour).toBe("cpu");
    expect(readDownloadLine("  Downloading torch-2.13.0-cp311-none-macosx_14_0_arm64.whl (74.1 MB)")?.flavour).toBe("cpu");
  });

  test("a size in GB counts as such", () => {
    expect(readDownloadLine("  Downloading torch-2.13.0-cp311-cp311-linux_x86_64.whl (1.1 GB)")?.flavour).toBe("cuda");
  });

  test("metadata, other packages and other lines say nothing", () => {
    for (const line of [
      "  Downloading torch-2.13.0-cp311-cp311-manylinux_2_28_x86_64.whl.metadata (30 kB)",
      "  Downloading torchdata-0.11.0-py3-none-any.whl (400 MB)",
      "Collecting torch==2.13.0",
      "Processing /wheels/torch-2.13.0+cpu-cp311-cp311-linux_x86_64.whl",
    ]) {
      expect(readDownloadLine(line), line).toBeNull();
    }
  });
});

describe("asking pip", () => {
  let dir = "";
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), "verlpool-torch-"));
  });
  afterEach(() => rm(dir, { recursive: true, force: true }));

  /** A "python" that behaves as `python -m pip` does. */
  async function pip(script: string) {
    const python = join(dir, "python");
    await writeFile(python, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    const env = { PATH: process.env["PATH"] ?? "" };
    return { python, requirement: "torch==2.13.0", pipArgs: [], env, logFile: join(dir, "log"), reportFile: join(dir, "report.json") };
  }

  test("a download of a CUDA wheel is stopped where it begins", async () => {
    const question = await pip(`echo "  Downloading torch-2.13.0-cp311-cp311-manylinux_2_28_x86_64.whl (526.6 MB)"; sleep 600`);
    const build = await resolveTorch(question, AbortSignal.timeout(15_000));
    expect(build.flavour).toBe("cuda");
  });

  test("the report is read where pip needs no download", async () => {
    const text = report("2.13.0+cpu", "file:///w/torch-2.13.0%2Bcpu-cp311.whl", []);
    const question = await pip(`printf '%s' '${text}' > ${join(dir, "report.json")}`);
    expect(await resolveTorch(question, AbortSignal.timeout(15_000))).toMatchObject({ flavour: "cpu", version: "2.13.0+cpu" });
  });

  test("a pip that finds nothing is an error with pip's words and a way out", async () => {
    const question = await pip(`echo "ERROR: No matching distribution found for torch==2.13.0" >&2; exit 1`);
    await expect(resolveTorch(question, AbortSignal.timeout(15_000))).rejects.toThrow(/No matching distribution[\s\S]*--torch-index/);
  });
});

describe("the decision", () => {
  const cuda = { flavour: "cuda", version: "2.13.0", evidence: "it pulls 15 packages" } as const;
  const cpu = { flavour: "cpu", version: "2.13.0+cpu", evidence: "the wheel" } as const;

  test("a CUDA build without a GPU is refused with every way out", () => {
    const decision = decideTorch(cuda, false, false);
    expect(decision.kind).toBe("refuse");
    for (const way of ["--torch-index", "PIP_FIND_LINKS", "--existing-python", "--allow-cuda"]) expect(decision.text).toContain(way);
  });

  test("a CUDA build is taken for a GPU, or when asked for, and says that it is big", () => {
    expect(decideTorch(cuda, true, false)).toMatchObject({ kind: "take", warning: null });
    expect(decideTorch(cuda, false, true)).toMatchObject({ kind: "take" });
    expect(decideTorch(cuda, true, false).text).toContain("several GB");
  });

  test("a CPU build is taken; on a machine with a GPU with a warning", () => {
    expect(decideTorch(cpu, false, false)).toMatchObject({ kind: "take", warning: null });
    const decision = decideTorch(cpu, true, false);
    expect(decision.kind === "take" ? decision.warning : null).toContain("would not use the GPU");
  });
});
