/** `npm run sim:mutants`: plants each bug of mutants.yaml in a copy and lives worlds there until one breaks. Exits 1 when a bug is never noticed. */
import { spawn } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { parse } from "yaml";
import { z } from "zod";

const Edit = z.strictObject({ find: z.string().min(1), replace: z.string() });
const Mutant = z.strictObject({
  name: z.string().min(1),
  file: z.string().min(1),
  ...Edit.shape,
  /** A second place in the same file, where one alone would be covered by the other. */
  also: Edit.optional(),
  why: z.string().min(1),
});
type Mutant = z.infer<typeof Mutant>;

const root = dirname(import.meta.dirname);
const COPIED = ["src", "sim", "package.json"];
const BROKEN = /^seed (\d+) breaks (\S+) at \d+: (.*)$/m;

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "2000" },
    start: { type: "string", default: "1" },
    jobs: { type: "string", default: "1" },
    /** Only mutants whose name holds this. */
    name: { type: "string", default: "" },
  },
});

const all = z.array(Mutant).parse(parse(readFileSync(join(import.meta.dirname, "mutants.yaml"), "utf8")));
await report(all.filter((mutant) => mutant.name.includes(values.name)));

async function report(mutants: readonly Mutant[]): Promise<void> {
  for (const mutant of mutants) mutated(mutant, root);
  const work = mkdtempSync(join(tmpdir(), "verlpool-sim-mutants-"));
  try {
    const without = await run(copyTree(join(work, "without")));
    if (BROKEN.test(without)) throw new Error(`a world breaks without any mutant:\n${without}`);
    const queue = mutants.values();
    const verdicts: boolean[] = [];
    const lane = async (index: number): Promise<void> => {
      const tree = copyTree(join(work, String(index)));
      for (const mutant of queue) verdicts.push(await judge(mutant, tree));
    };
    await Promise.all(Array.from({ length: Number(values.jobs) }, (_, index) => lane(index)));
    const missed = verdicts.filter((caught) => !caught).length;
    console.log(missed === 0 ? `all ${verdicts.length} caught` : `${missed} of ${verdicts.length} NOT caught`);
    process.exitCode = missed === 0 && verdicts.length > 0 ? 0 : 1;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

function copyTree(to: string): string {
  for (const name of COPIED) cpSync(join(root, name), join(to, name), { recursive: true });
  symlinkSync(join(root, "node_modules"), join(to, "node_modules"));
  return to;
}

function mutated(mutant: Mutant, tree: string): string {
  let text = readFileSync(join(tree, mutant.file), "utf8");
  for (const { find, replace } of [mutant, ...(mutant.also === undefined ? [] : [mutant.also])]) {
    const [before, after, ...more] = text.split(find);
    if (before === undefined || after === undefined) throw new Error(`mutant "${mutant.name}": ${mutant.file} no longer holds: ${find}`);
    if (more.length > 0) throw new Error(`mutant "${mutant.name}": ${mutant.file} holds its text ${more.length + 1} times: ${find}`);
    text = before + replace + after;
  }
  return text;
}

async function judge(mutant: Mutant, tree: string): Promise<boolean> {
  const file = join(tree, mutant.file);
  const original = readFileSync(file, "utf8");
  writeFileSync(file, mutated(mutant, tree));
  const output = await run(tree);
  writeFileSync(file, original);
  const [, seed, invariant, broken] = BROKEN.exec(output) ?? [];
  const verdict = seed === undefined ? "SURVIVED" : `${(invariant ?? "").padEnd(9)} seed ${seed.padStart(5)}`;
  console.log(`${verdict.padEnd(22)} ${mutant.name}\n${" ".repeat(23)}${(broken ?? output.slice(-500)).slice(0, 160)}`);
  return seed !== undefined;
}

function run(tree: string): Promise<string> {
  const args = [join(tree, "sim", "main.ts"), "--no-shrink", "--seeds", values.seeds, "--start", values.start];
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { cwd: tree, stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => (output += chunk.toString()));
    child.on("error", reject);
    child.on("close", () => resolve(output));
  });
}
