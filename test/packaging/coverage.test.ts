import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { describeLowest, measureCoverage } from "../../scripts/coverage.ts";

const root = join(import.meta.dirname, "..", "..");

test("lines that only a child process ran count, and lines nobody ran are named", async () => {
  const work = mkdtempSync(join(tmpdir(), "verlpool-coverage-"));
  try {
    const source = join(root, "src", "main", "asset-file.ts");
    const program = `import { isAssetFile } from ${JSON.stringify(source)}; isAssetFile("a//b");`;
    const raw = join(work, "raw");
    const env = { ...process.env, NODE_V8_COVERAGE: raw };
    expect(spawnSync(process.execPath, ["--input-type=module", "-e", program], { env, encoding: "utf8" })).toMatchObject({
      status: 0,
      stderr: "",
    });

    const alone = await measureCoverage([], [raw], null);
    expect(alone.files.map((file) => file.file)).toEqual(["src/main/asset-file.ts"]);
    expect(alone.files[0]?.missed).toEqual([9]);
    expect(describeLowest(alone, 5)).toMatch(/^ ?75\.0% {2}src\/main\/asset-file\.ts {2}not run: 9$/);

    const report = join(work, "coverage-final.json");
    const start = { line: 9, column: 2 };
    writeFileSync(report, JSON.stringify({ [source]: { statementMap: { "0": { start, end: start } }, s: { "0": 1 } } }));
    expect((await measureCoverage([report, join(work, "absent.json")], [raw], null)).percent).toBe(100);
  } finally {
    rmSync(work, { recursive: true });
  }
});

test("lines of the launcher count by what its traces noted", async () => {
  const notes = mkdtempSync(join(tmpdir(), "verlpool-coverage-"));
  try {
    const [before] = (await measureCoverage([], [], notes)).files;
    expect(before).toMatchObject({ file: "src/launcher/launch.py", covered: 0 });
    const [first, second] = before?.missed ?? [];
    writeFileSync(join(notes, "1-a.json"), JSON.stringify([first]));
    // A comment's line, as a tracer of another version might note one: it can't be covered.
    writeFileSync(join(notes, "1-b.json"), JSON.stringify([first, second, 1_000_000]));
    expect((await measureCoverage([], [], notes)).covered).toBe(2);
  } finally {
    rmSync(notes, { recursive: true });
  }
});
