import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type Label, LABELS } from "../../src/domain/diagnosis/labels.ts";
import type { Rule } from "../../src/domain/diagnosis/rule.ts";
import { RULES } from "../../src/domain/diagnosis/rules.ts";

const PAGE = join(import.meta.dirname, "../../docs/failures.md");
const START = "<!-- From here on written by test/diagnosis/failures-page.test.ts (vitest -u). -->\n";

const plain = (template: string): string =>
  template.replaceAll(/\{(\w+)(?:\|([^}]*))?\}/g, (_, __, otherwise?: string) => otherwise ?? "…");

/** Labels that the launcher or the scheduler knows without a log. */
const WITHOUT_RULE: { readonly [label in Label]?: string } = {
  time_limit: "Give a longer max_runtime_s or deadline, and retry: it goes on from the last checkpoint.",
  unknown: "Read the log: verlpool logs ID.",
};

const verdict = (label: Label, rule: Rule): string => {
  const [blame, retryable] = [rule.blame ?? LABELS[label].blame, rule.retryable ?? LABELS[label].retryable];
  const differs = blame !== LABELS[label].blame || retryable !== LABELS[label].retryable;
  return differs ? ` (Blame: ${blame}; ${retryable ? "tried again" : "not tried again"}.)` : "";
};

function generated(): string {
  const labels = Object.entries(LABELS) as [Label, (typeof LABELS)[Label]][];
  const table = labels.map(
    ([label, { blame, retryable, means }]) => `| \`${label}\` | ${blame} | ${retryable ? "yes" : "no"} | ${means} |`,
  );
  const sections = labels.map(([label]) => {
    const rules = RULES.filter((rule) => rule.label === label);
    const lines = [...new Set(rules.map((rule) => `- ${plain(rule.why)} **${plain(rule.fix)}**${verdict(label, rule)}`))];
    return `### ${label}\n${lines.length > 0 ? lines.join("\n") : `- **${WITHOUT_RULE[label] ?? "?"}**`}\n`;
  });
  return `| label | blame | tried again | means |\n|---|---|---|---|\n${table.join("\n")}\n\n## What to do\n${sections.join("\n")}`;
}

test("docs/failures.md says of each label what it means and what to do, as the rules have it", async () => {
  const [written = ""] = readFileSync(PAGE, "utf8").split(START);
  expect(written).toContain("# Failure labels");
  expect(generated()).not.toContain("**?**");
  await expect(`${written}${START}${generated()}`).toMatchFileSnapshot(PAGE);
});
