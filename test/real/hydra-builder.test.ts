/** The encoder and the builder against real Hydra and OmegaConf, ten thousand strings in one Python process. */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { buildCommand } from "../../src/domain/verl/command.ts";
import { encodeSetting, quote } from "../../src/domain/verl/hydra-value.ts";
import type { Setting } from "../../src/domain/verl/profile.ts";
import { HOSTILE_VALUES, MODEL_IDS } from "../support/hostile-values.ts";
import { pythonFrom } from "../support/real-ray.ts";
import { builtin, inputFor, specFor } from "../support/verl-command.ts";

/** Reads `[[override, …], …]`, composes each list into a config and answers what stands under each key after resolve, or the error. */
const HYDRA = `
import json, sys
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import OverrideType, ValueType
from omegaconf import OmegaConf
parser = OverridesParser.create()
def back(text):
    try:
        override = parser.parse_override(text)
        if override.is_sweep_override():
            return {"error": "sweep"}
        cfg = OmegaConf.create({"k": None})
        OmegaConf.update(cfg, override.key_or_group, override.value(), merge=True, force_add=True)
        OmegaConf.resolve(cfg)
        missing = OmegaConf.is_missing(cfg, "k")
        return {"error": "missing"} if missing else {"value": OmegaConf.to_container(cfg)["k"]}
    except Exception as error:
        return {"error": type(error).__name__}
with open(sys.argv[1], encoding="utf-8") as src:
    texts = json.load(src)
with open(sys.argv[2], "w", encoding="utf-8") as out:
    json.dump([back(text) for text in texts], out)
`;

const dir = mkdtempSync(path.join(tmpdir(), "verlpool-hydra-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

type Answer = { readonly value?: unknown; readonly error?: string };

function throughHydra(overrides: readonly string[]): readonly Answer[] {
  const [source, target] = [path.join(dir, "in.json"), path.join(dir, "out.json")];
  writeFileSync(source, JSON.stringify(overrides));
  execFileSync(pythonFrom("VERLPOOL_TEST_PYTHON"), ["-c", HYDRA, source, target], { stdio: ["ignore", "inherit", "inherit"] });
  return JSON.parse(readFileSync(target, "utf8")) as Answer[];
}

const SPECIAL = [
  "'",
  '"',
  "\\",
  "\\'",
  "\\\\",
  ",",
  "=",
  ":",
  "[",
  "]",
  "{",
  "}",
  "(",
  ")",
  "$",
  "${",
  "}",
  "~",
  "+",
  "@",
  " ",
  "\t",
  "\n",
  "?",
  "???",
  "null",
  "true",
  "1e3",
  "nan",
  "#",
  "%",
  "é",
  "\u202e",
  "\0",
  "oc.env:HOME",
  "glob(",
  "a",
  "0",
];
const hostile = fc.oneof(
  { weight: 4, arbitrary: fc.array(fc.constantFrom(...SPECIAL), { maxLength: 12 }).map((parts) => parts.join("")) },
  { weight: 3, arbitrary: fc.string({ unit: "binary-ascii", maxLength: 24 }) },
  { weight: 3, arbitrary: fc.stringMatching(/^[ -~]{0,24}$/) },
  { weight: 1, arbitrary: fc.string({ unit: "grapheme", maxLength: 12 }) },
  { weight: 1, arbitrary: fc.constantFrom(...[...HOSTILE_VALUES, ...MODEL_IDS].map(({ value }) => value)) },
);

describe("ten thousand hostile strings", () => {
  const rows = [...HOSTILE_VALUES, ...MODEL_IDS].map(({ value }) => value);
  const strings = [...rows, ...fc.sample(hostile, { numRuns: 10_000, seed: Number(process.env["VERLPOOL_TEST_SEED"] ?? 20_260_101) })];

  it("each come back from Hydra and OmegaConf byte-equal, or are refused by us", () => {
    const passed = strings.flatMap((text) => {
      const encoded = encodeSetting(text);
      return encoded.ok ? [{ text, override: `k=${encoded.text}` }] : [];
    });
    const answers = throughHydra(passed.map(({ override }) => override));
    const wrong = passed.filter(({ text }, i) => answers[i]?.value !== text);
    expect(wrong).toEqual([]);
    expect(answers).toHaveLength(passed.length);
    // A test that refuses everything would prove nothing, and so would one that never refuses.
    expect(passed.length).toBeGreaterThan(3000);
    expect(strings.length - passed.length).toBeGreaterThan(1000);
  });

  it("in lists and mappings come back equal too", () => {
    const good = strings.filter((text) => encodeSetting(text).ok).slice(0, 500);
    const settings: Setting[] = good.map((text, i) => [text, i, { a_b: good[good.length - 1 - i] ?? "", c: [null, true, 0.5, 1e-7, -3] }]);
    const overrides = settings.map((setting) => {
      const encoded = encodeSetting(setting);
      return encoded.ok ? `k=${encoded.text}` : encoded.reason;
    });
    expect(throughHydra(overrides).map(({ value }) => value)).toEqual(settings);
  });

  it("are never a sweep, a list, a number or a deletion, even when nothing is checked", () => {
    const unchecked = strings.filter((text) => text.isWellFormed());
    const answers = throughHydra(unchecked.map((text) => `k=${quote(text)}`));
    const interpolated = /\$\{|^\?\?\?$/;
    const wrong = unchecked.filter((text, i) => {
      const { value, error } = answers[i] ?? {};
      return value === undefined ? error === "sweep" || !interpolated.test(text) : value !== text && !interpolated.test(text);
    });
    expect(wrong).toEqual([]);
  });
});

describe("numbers", () => {
  it("come back equal", () => {
    const numbers = fc.sample(fc.oneof(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.maxSafeInteger()), 2000);
    const passed = numbers.flatMap((value) => {
      const encoded = encodeSetting(value);
      return encoded.ok ? [{ value, override: `k=${encoded.text}` }] : [];
    });
    const answers = throughHydra(passed.map(({ override }) => override));
    expect(passed.filter(({ value }, i) => !(answers[i]?.value === value))).toEqual([]);
    expect(passed.length).toBeGreaterThan(1000);
  });
});

describe("with validation disabled", () => {
  it.each(HOSTILE_VALUES.filter(({ value }) => !value.includes("\0") && value.isWellFormed()))(
    "a program receives the value as one literal element of argv: $row",
    ({ value }) => {
      const profile = builtin("sft");
      const plain = buildCommand(inputFor(profile, { spec: specFor(profile), toWorker: (canonical) => canonical }));
      const element = `data.train_files=${quote(value)}`;
      const argv = plain.argv.map((text) => (text.startsWith("data.train_files=") ? element : text));
      const run = spawnSync(pythonFrom("VERLPOOL_TEST_PYTHON"), ["-c", "import json, sys; print(json.dumps(sys.argv[1:]))", ...argv], {
        encoding: "utf8",
      });
      expect(JSON.parse(run.stdout)).toEqual(argv);
      expect(argv.filter((text) => text === element)).toHaveLength(1);
    },
  );
});
