import { describe, expect, test } from "vitest";
import { notableLine, torchRequirement, withTorch } from "./environment.ts";
import { chooseInterpreter, type Interpreter } from "./interpreter.ts";
import { hubTrouble, pullFromHub } from "./hub.ts";

const REQUIREMENTS = "# a comment about torch\ntorch==2.13.0\nverl==0.9.1\ntorchdata==0.11.0\n";

describe("requirements", () => {
  test("the line of torch is found among its namesakes", () => {
    expect(torchRequirement(REQUIREMENTS)).toBe("torch==2.13.0");
    expect(torchRequirement("torchdata==0.11.0\n")).toBeNull();
  });

  test("torch is pinned to the build that was looked at", () => {
    expect(withTorch(REQUIREMENTS, "torch==2.13.0", "2.13.0+cpu")).toContain("\ntorch==2.13.0+cpu\nverl==0.9.1\ntorchdata==0.11.0\n");
    expect(withTorch(REQUIREMENTS, "torch==2.13.0", null)).toBe(REQUIREMENTS);
  });
});

describe("pip's output", () => {
  test("big downloads and the installation are worth a line, the rest is not", () => {
    expect(notableLine("  Downloading ray-2.60.0-cp311-cp311-manylinux2014_x86_64.whl (71.4 MB)")).toBe(
      "downloading ray-2.60.0-cp311-cp311-manylinux2014_x86_64.whl (71.4 MB)",
    );
    expect(notableLine("Installing collected packages: a, b, c")).toBe("installing 3 packages");
    expect(notableLine("  Downloading idna-3.20-py3-none-any.whl (70 kB)")).toBeNull();
    expect(notableLine("  Downloading small-1.0-py3-none-any.whl (2.0 MB)")).toBeNull();
    expect(notableLine("Collecting ray")).toBeNull();
  });
});

describe("the choice of a Python", () => {
  const python = (version: string, more: Partial<Interpreter> = {}): Interpreter => ({
    executable: `/usr/bin/python${version}`,
    version,
    machine: "x86_64",
    hasVenv: true,
    hasPip: true,
    ...more,
  });

  test("the first of 3.10 to 3.12 is taken before a newer one that stands in front", () => {
    expect(chooseInterpreter([python("3.14.1"), python("3.11.2")])?.version).toBe("3.11.2");
  });

  test("a newer one is taken where there is no other, an older one never", () => {
    expect(chooseInterpreter([python("3.14.1"), python("3.9.2")])?.version).toBe("3.14.1");
    expect(chooseInterpreter([python("3.9.2")])).toBeNull();
  });

  test("pip alone is enough, since virtualenv can be had by it; neither is not", () => {
    expect(chooseInterpreter([python("3.11.2", { hasVenv: false })])?.version).toBe("3.11.2");
    expect(chooseInterpreter([python("3.11.2", { hasVenv: false, hasPip: false })])).toBeNull();
  });
});

describe("a pull from the hub", () => {
  test("what is wrong and what to do is said for each kind of trouble", () => {
    const words = (text: string) => hubTrouble(text, "a/b");
    expect(words("httpx.ConnectError: [Errno -3] Temporary failure in name resolution")).toMatch(
      /can't be reached[\s\S]*HF_ENDPOINT[\s\S]*common\/hf\/hub/,
    );
    expect(words("huggingface_hub.errors.LocalEntryNotFoundError: An error happened")).toContain("can't be reached");
    expect(words("huggingface_hub.errors.GatedRepoError: 403 Client Error")).toContain("Ask for access");
    expect(words("RepositoryNotFoundError: 401 Client Error.")).toContain("check the name");
    expect(words("OSError: [Errno 28] No space left on device")).toContain("disk is full");
    expect(words("something else")).toContain("something else");
  });

  test("an id that is no repository never reaches Python", async () => {
    const pull = { kind: "model", id: "../etc", revision: null, root: "/nowhere", python: "/nowhere/python", env: {} } as const;
    await expect(pullFromHub(pull, () => undefined, new AbortController().signal)).rejects.toThrow("OWNER/NAME");
  });
});
