/** The shared storage that `verlpool prepare` made for the real suite (scripts/test.ts); made now where it is missing or of an older checkout. */
import type { PrepareChoices } from "../../src/cli/world.ts";
import { PREPARE_DEFAULTS, prepareRoot } from "../../src/main/local/prepare-command.ts";
import type { Prepared } from "../../src/pool/prepare/prepare.ts";
import { pythonFrom } from "./real-ray.ts";

export function testRoot(): string {
  const root = process.env["VERLPOOL_TEST_ROOT"];
  if (root === undefined || root === "")
    throw new Error("VERLPOOL_TEST_ROOT must name a folder for `verlpool prepare` (scripts/test.ts sets it)");
  return root;
}

/** An environment outside the root, given by hand, is used as it is; the root's own is what prepare built. */
export function testPrepareFlags(root: string): PrepareChoices {
  const python = pythonFrom("VERLPOOL_TEST_PYTHON");
  return python.startsWith(`${root}/`) ? PREPARE_DEFAULTS : { ...PREPARE_DEFAULTS, existingPython: python };
}

/** Runs prepare on the root; `lines` gets what it says. */
export function prepareTestRoot(root: string, signal: AbortSignal, lines: string[] = []): Promise<Prepared> {
  const write = (chunk: string | Uint8Array): Promise<void> => {
    lines.push(String(chunk));
    return Promise.resolve();
  };
  return prepareRoot(root, testPrepareFlags(root), process.env, { write, isTTY: false }, signal);
}
