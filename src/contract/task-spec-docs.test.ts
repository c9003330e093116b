import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { SPEC_FIELDS } from "../domain/verl/spec-rules.ts";
import { parseTaskSpec } from "./task-spec.ts";

const page = readFileSync(new URL("../../docs/taskspec.md", import.meta.url), "utf8");
const [good = "", bad = ""] = [...page.matchAll(/```yaml\n(.*?)```/gs)].map((match) => match[1] ?? "");
const rows = (heading: string): readonly string[][] =>
  (page.split(heading)[1] ?? "")
    .split("\n")
    .filter((line) => line.startsWith("| `"))
    .map((line) => line.split("|").map((cell) => cell.trim()));

describe("docs/taskspec.md", () => {
  it("has a row for every field, in the order of the rules", () => {
    const fields = rows("## Fields").map(([, field]) => field?.replaceAll("`", ""));
    expect(fields.slice(0, Object.keys(SPEC_FIELDS).length)).toEqual(Object.keys(SPEC_FIELDS));
  });

  it("shows a TaskSpec that holds", () => {
    expect(parseTaskSpec(good, { ignoredFields: [] })).toMatchObject({ ok: true, warnings: [] });
  });

  it("shows the errors of its example as they are", () => {
    const result = parseTaskSpec(bad, { ignoredFields: [] });
    const errors = result.ok ? [] : result.errors.map((e) => [`\`${e.field}\``, String(e.line), e.message, e.found]);
    expect(rows("## Errors").map((cells) => cells.slice(1, 5))).toEqual(errors);
  });
});
