/**
 * Planted mistakes: does a test fail when the code is wrong? Each is data (test/mutants/*.yaml): one replacement in one file, and the test files of which
 * one must fail. They are made in copies of the working tree, never in it.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  cpSync,
  existsSync,
  globSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { parse } from "yaml";
import { z } from "zod";
import { root } from "./steps.ts";

const Mutant = z.strictObject({
  name: z.string().min(1),
  file: z.string().min(1),
  /** Must occur exactly once in the file: a mistake that can't be planted any more is an error, not a pass. */
  find: z.string().min(1),
  replace: z.string(),
  /** Test files of the unit project, relative to the repository. */
  tests: z.array(z.string()).min(1),
});
export type Mutant = z.infer<typeof Mutant>;

/** caught: a test failed, named; survived: all passed; broken: vitest ended without a failed test, so nothing was shown. */
export type Verdict = {
  readonly mutant: Mutant;
  readonly outcome: "caught" | "survived" | "broken";
  /** The first test that failed, or the end of what vitest said. */
  readonly by: string;
  readonly seconds: number;
};

const LANES = 2;
const COPIED = ["src", "test", "docs", "scripts", "bin", "package.json", "tsconfig.json", "vitest.config.ts"];
/** A mistake that makes a test wait is caught by its time limit; the suite's own would double the run. */
const TEST_TIMEOUT_MS = 10_000;

/** `security` for test/mutants/security.yaml. */
export function mutantSets(): readonly string[] {
  return globSync("*.yaml", { cwd: join(root, "test", "mutants") }).map((file) => basename(file, ".yaml"));
}

/** Throws when a mistake of the set can't be planted: its text is gone from the file, or stands there twice. */
export function readMutants(set: string): readonly Mutant[] {
  const mutants = z.array(Mutant).parse(parse(readFileSync(join(root, "test", "mutants", `${set}.yaml`), "utf8")));
  for (const mutant of mutants) mutated(mutant, root);
  return mutants;
}

function mutated({ name, file, find, replace }: Mutant, tree: string): string {
  const [before, after, ...more] = readFileSync(join(tree, file), "utf8").split(find);
  if (before === undefined || after === undefined) throw new Error(`mutant "${name}": ${file} does not hold its text any more: ${find}`);
  if (more.length > 0) throw new Error(`mutant "${name}": ${file} holds its text ${more.length + 1} times: ${find}`);
  return before + replace + after;
}

/** Runs all, two at a time, after the same tests have passed without any; throws when they do not. `tell` hears each verdict. */
export async function runMutants(
  mutants: readonly Mutant[],
  tell: (verdict: Verdict) => void = () => undefined,
): Promise<readonly Verdict[]> {
  const work = mkdtempSync(join(tmpdir(), "verlpool-mutants-"));
  try {
    const trees = Array.from({ length: LANES }, (_, lane) => copyTree(join(work, String(lane))));
    const [first = work] = trees;
    const without = await runTests(first, [...new Set(mutants.flatMap((mutant) => mutant.tests))], []);
    if (!without.passed) throw new Error(`the tests fail without any mutant:\n${describeFailure(without)}`);
    const queue = mutants.values();
    const verdicts: Verdict[] = [];
    const lane = async (tree: string): Promise<void> => {
      for (const mutant of queue) {
        const verdict = await judge(mutant, tree);
        verdicts.push(verdict);
        tell(verdict);
      }
    };
    await Promise.all(trees.map(lane));
    return verdicts;
  } finally {
    rmSync(work, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  }
}

function copyTree(to: string): string {
  mkdirSync(join(to, "node_modules"), { recursive: true });
  for (const name of COPIED) cpSync(join(root, name), join(to, name), { recursive: true });
  // One link a package: what vitest keeps in node_modules stays in the copy.
  for (const name of readdirSync(join(root, "node_modules")))
    if (!name.startsWith(".v")) symlinkSync(join(root, "node_modules", name), join(to, "node_modules", name));
  return to;
}

async function judge(mutant: Mutant, tree: string): Promise<Verdict> {
  const file = join(tree, mutant.file);
  const original = readFileSync(file, "utf8");
  writeFileSync(file, mutated(mutant, tree));
  const started = performance.now();
  const { passed, failed, output } = await runTests(tree, mutant.tests, ["--test-timeout", String(TEST_TIMEOUT_MS)]);
  const seconds = (performance.now() - started) / 1000;
  writeFileSync(file, original);
  if (failed !== null) return { mutant, outcome: "caught", by: failed.fullName, seconds };
  return passed ? { mutant, outcome: "survived", by: "", seconds } : { mutant, outcome: "broken", by: output.slice(-2000), seconds };
}

type Failure = { readonly fullName: string; readonly failureMessages: readonly string[] };
type TestRun = { readonly passed: boolean; readonly failed: Failure | null; readonly output: string };

async function runTests(tree: string, tests: readonly string[], more: readonly string[]): Promise<TestRun> {
  const report = join(tree, "report.json");
  rmSync(report, { force: true });
  const options = ["--bail", "1", "--reporter=json", `--outputFile.json=${report}`, ...more];
  // This may itself run in a test: a child must not take itself for a worker, nor count for coverage.
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(VITEST|VERLPOOL_TEST_CHILD|NODE_V8)/.test(name)));
  const args = [join(tree, "node_modules", "vitest", "vitest.mjs"), "run", "--project", "unit", ...options, ...tests];
  const child = spawn(process.execPath, args, { cwd: tree, env, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => (output += chunk.toString()));
  const [code] = (await once(child, "close")) as [number | null];
  return { passed: code === 0, failed: firstFailure(report), output };
}

function describeFailure({ failed, output }: TestRun): string {
  return failed === null ? output : [failed.fullName, ...failed.failureMessages].join("\n");
}

function firstFailure(report: string): Failure | null {
  if (!existsSync(report)) return null;
  const { testResults }: { testResults: readonly { assertionResults: readonly (Failure & { status: string })[] }[] } = JSON.parse(
    readFileSync(report, "utf8"),
  );
  return testResults.flatMap((file) => file.assertionResults).find((one) => one.status === "failed") ?? null;
}
