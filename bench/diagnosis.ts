/**
 * How right the diagnosis is on a folder of labelled failures (`cases/*.json` with `log_tail`, `ray_message`, `label`, `also_accept`;
 * `harmless/*.txt`, which may be absent): the confusion table, and what is left of it when only rules that one half of the cases needs are
 * tried on the other half.
 *
 *     node bench/diagnosis.ts FOLDER [--splits 20] [--half A|B] [--misses]
 *
 * `--half` takes the cases whose id hashes to that half, so that rules can be written on A and measured on B; `--misses` prints what was wrong.
 *
 * The rules were written with all cases in sight, so a split takes away each rule that is the root of no case of the first half.
 */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { decide } from "../src/domain/diagnosis/diagnose.ts";
import { findings } from "../src/domain/diagnosis/findings.ts";
import type { Rule } from "../src/domain/diagnosis/rule.ts";
import { RULES } from "../src/domain/diagnosis/rules.ts";
import { middle } from "../src/domain/insight/pace.ts";

type Case = {
  readonly id: string;
  readonly log_tail: string;
  readonly ray_message: string;
  readonly label: string;
  readonly also_accept?: readonly string[];
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    splits: { type: "string", default: "20" },
    seed: { type: "string" },
    half: { type: "string" },
    misses: { type: "boolean", default: false },
  },
});
const [folder = ""] = positionals;
const cases = readdirSync(join(folder, "cases"))
  .toSorted()
  .map((name) => JSON.parse(readFileSync(join(folder, "cases", name), "utf8")) as Case)
  .filter(({ id }) => values.half === undefined || values.half === halfOf(id));

function halfOf(id: string): string {
  return (createHash("sha256").update(id).digest()[0] ?? 0) % 2 === 0 ? "A" : "B";
}

const partsOf = ({ log_tail, ray_message }: Case) => [
  { text: log_tail, firstLine: 1 },
  ...(ray_message === "" ? [] : [{ text: ray_message, firstLine: null }]),
];
const labelOf = ({ log_tail, ray_message }: Case): string =>
  decide({ log: [{ text: log_tail, firstLine: 1 }], rayMessage: ray_message }).diagnosis.label;
const isRight = (one: Case, label: string): boolean => label === one.label || (one.also_accept ?? []).includes(label);

/** Deterministic, and another order for each seed. */
function shuffled(seed: number): readonly Case[] {
  let state = seed * 2_654_435_761 + 1;
  const keyed = cases.map((one) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return { one, key: state };
  });
  return keyed.toSorted((a, b) => a.key - b.key).map(({ one }) => one);
}

function table(): void {
  const rows = new Map<string, Map<string, number>>();
  for (const one of cases) {
    const given = labelOf(one);
    const row = rows.get(one.label) ?? new Map<string, number>();
    const shown = given === one.label ? given : `${given}${isRight(one, given) ? " (accepted)" : ""}`;
    rows.set(one.label, row.set(shown, (row.get(shown) ?? 0) + 1));
  }
  console.log("| label | cases | diagnosed as |\n|---|---|---|");
  for (const [label, row] of [...rows].toSorted(([a], [b]) => a.localeCompare(b))) {
    const total = [...row.values()].reduce((sum, count) => sum + count, 0);
    console.log(`| \`${label}\` | ${total} | ${[...row].map(([given, count]) => `${given} ${count}`).join(", ")} |`);
  }
  const right = cases.filter((one) => isRight(one, labelOf(one))).length;
  const said = cases.filter((one) => labelOf(one) !== "unknown");
  console.log(`right: ${right} of ${cases.length}; of ${said.length} answers: ${said.filter((one) => isRight(one, labelOf(one))).length}`);
  const names = existsSync(join(folder, "harmless")) ? readdirSync(join(folder, "harmless")) : [];
  const harmless = names.map((name) => ({
    name,
    label: decide({ log: [{ text: readFileSync(join(folder, "harmless", name), "utf8"), firstLine: 1 }], rayMessage: "" }).diagnosis.label,
  }));
  const accused = harmless.filter(({ label }) => label !== "unknown");
  console.log(`harmless logs with a label: ${accused.length} of ${harmless.length}`);
  if (!values.misses) return;
  for (const one of cases) if (!isRight(one, labelOf(one))) console.log(`miss: ${one.id}: ${one.label}, diagnosed as ${labelOf(one)}`);
  for (const { name, label } of accused) console.log(`miss: ${name}: harmless, diagnosed as ${label}`);
}

type Half = { readonly cases: number; readonly right: number; readonly said: number };

/** In a process of its own: the rules are indexed once. Roots of the first half are found there by the full set, in another one. */
function measured(seed: number, known: ReadonlySet<string>): Half {
  const kept = RULES.filter(({ id }) => known.has(id));
  (RULES as Rule[]).splice(0, RULES.length, ...kept);
  const second = shuffled(seed).slice(Math.floor(cases.length / 2));
  const labels = second.map((one) => ({ one, label: labelOf(one) }));
  return {
    cases: second.length,
    right: labels.filter(({ one, label }) => isRight(one, label)).length,
    said: labels.filter(({ label }) => label !== "unknown").length,
  };
}

if (values.seed !== undefined) {
  console.log(JSON.stringify(measured(Number(values.seed), new Set(readFileSync(0, "utf8").split("\n")))));
} else {
  table();
  const halves: Half[] = [];
  for (let seed = 1; seed <= Number(values.splits); seed += 1) {
    const first = shuffled(seed).slice(0, Math.floor(cases.length / 2));
    const roots = first.flatMap((one) => findings(partsOf(one)).best?.rule.id ?? []);
    const { stdout } = spawnSync(process.execPath, [import.meta.filename, folder, "--seed", String(seed)], {
      input: roots.join("\n"),
      encoding: "utf8",
    });
    halves.push(JSON.parse(stdout) as Half);
  }
  const share = (of: (half: Half) => number): string => `${Math.round(100 * (middle(halves.map(of)) ?? 0))} %`;
  console.log(
    `other half, by rules that the first half needs (median of ${halves.length}): ${share((half) => half.right / half.cases)} right, ` +
      `${share((half) => (half.said === 0 ? 1 : half.right / half.said))} of the answers`,
  );
}
