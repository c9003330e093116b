/** The rows of security.md §3.3 "Spec values" and §3.4 "YAML/JSON body", one test each. */
import { describe, expect, it } from "vitest";
import { HYDRA, INTERPOLATION, MODEL_IDS, PATHS, SHELL, UNICODE } from "../../test/support/hostile-values.ts";
import { specText } from "../../test/support/task-spec-text.ts";
import { parseTaskSpec, TASK_SPEC_MAX_BYTES } from "./task-spec.ts";

const parse = (text: string | Uint8Array) => parseTaskSpec(text, { ignoredFields: [] });
const bytes = (...parts: (string | number[])[]): Uint8Array =>
  Buffer.concat(parts.map((part) => (typeof part === "string" ? Buffer.from(part) : Buffer.from(part))));

/** A YAML spelling of any string, so that the value itself and not its spelling is what is refused. */
const quoted = (value: string): string => JSON.stringify(value);

describe.each([
  ["a shell would run it", SHELL],
  ["OmegaConf would interpolate it", INTERPOLATION],
  ["Hydra would parse it", HYDRA],
  ["it is not a path under /private/common in normal form", PATHS],
  ["it is not ASCII", UNICODE],
])("a path is refused where %s", (_, rows) => {
  it.each(rows.flatMap(({ row, value }) => ["code_path", "train_file", "val_file"].map((field) => ({ row, value, field }))))(
    "$field: $row",
    ({ value, field }) => {
      const result = parse(specText({ [field]: quoted(value) }));
      expect(result).toMatchObject({ ok: false, reason: "invalid", errors: [{ field }] });
    },
  );
});

describe("a path refused says why", () => {
  it.each([
    ["/private/common/../users/bob/a", /contains \.\./],
    ["/private/commonX/a", /not under \/private\/common\//],
    ["/PRIVATE/common/a", /upper and lower case/],
    ["/private//common/a", /contains \/\//],
    ["/private/common/a/", /ends with \//],
    ["/private/common", /itself/],
    ["$HOME/a", /contains a \$/],
    ["~root", /contains a ~/],
    ["/private/common/a b", /contains a blank/],
    ["/private/common/a\u202e", /U\+202E/],
    ["/private/common/.hidden", /starts with \./],
    ["/private/common/-rf", /starts with -/],
    ["train", /not an absolute path/],
    ["/private/common/x,/private/common/y", /a comma \(one file only\)/],
    ["", /is empty/],
  ])("%j", (value, why) => {
    const result = parse(specText({ code_path: quoted(value) }));
    expect(result).toMatchObject({ ok: false, errors: [{ field: "code_path", message: expect.stringMatching(why) }] });
  });
});

describe("a model_id is refused", () => {
  it.each([...MODEL_IDS, ...SHELL, ...INTERPOLATION, ...UNICODE])("$row", ({ value }) => {
    expect(parse(specText({ model_id: quoted(value) }))).toMatchObject({ ok: false, errors: [{ field: "model_id" }] });
  });
});

describe("a number is refused", () => {
  const values =
    "0|-1|1e9|1e999|.nan|.inf|12345678901234567890|017|0o17|\"4\"|4.5|null|true|[]|-0|+4|0x10|1_000|4.0|~||-.inf|'4'|{}|2 3".split("|");
  const fields = ["nnodes", "n_gpus_per_node", "total_epochs"];
  it.each(fields.flatMap((field) => values.map((value) => ({ field, value }))))("$field: $value", ({ field, value }) => {
    expect(parse(specText({ [field]: value }))).toMatchObject({ ok: false, errors: [{ field }] });
  });

  it.each(values.filter((value) => !["null", "~", ""].includes(value)))("total_training_steps: %s", (value) => {
    expect(parse(specText({ total_training_steps: value })).ok).toBe(false);
  });
});

describe("an extra key that loads code or moves output is refused", () => {
  it.each([
    "trainer.default_local_dir",
    "custom_reward_function.path",
    "data.custom_cls.path",
    "ray_kwargs.ray_init.runtime_env.env_vars",
    "hydra.job.env_set.LD_PRELOAD",
    "actor_rollout_ref.model.trust_remote_code",
    "resume_mode",
  ])("%s", (key) => {
    expect(parse(specText({ [key]: "x" }))).toMatchObject({
      ok: false,
      errors: [{ field: key, message: expect.stringMatching(/not a field/) }],
    });
  });
});

const N = TASK_SPEC_MAX_BYTES;
const bomb = `a: &a [x,x]\n${"bcdefgh"
  .split("")
  .map((name, i) => `${name}: &${name} [*${"abcdefgh"[i]},*${"abcdefgh"[i]}]\n`)
  .join("")}`;

describe("a body is refused, not followed", () => {
  it.each<[string, string | Uint8Array, RegExp]>([
    ["alias bomb (201 B…1 KB)", bomb, /alias|anchor/],
    ["scalar aliases", `a: &a 1\n${Array.from({ length: 600 }, (_, i) => `k${i}: *a\n`).join("")}`, /alias/],
    ["depth 5,000: lists", `nnodes: ${"[".repeat(5000)}`, /nested deeper/],
    ["depth 5,000: mappings", "{a: ".repeat(4000), /nested deeper/],
    ["depth: dashes", "- ".repeat(5000), /nested deeper/],
    ["depth: question marks", "? ".repeat(5000), /complex key/],
    ["depth: indents", Array.from({ length: 150 }, (_, i) => `${" ".repeat(i)}a:\n`).join(""), /nested deeper|flat/],
    ["duplicate keys", specText() + "workload: sft\n", /given twice; first in line 1/],
    ["duplicate keys, one of them quoted", `${specText()}"workload": sft\n`, /given twice/],
    ["multi-doc", `${specText()}---\n${specText()}`, /second YAML document/],
    ["multi-doc after an end mark", `${specText()}...\nnnodes: 1\n`, /second YAML document/],
    ["<< merge", `${specText()}<<: {nnodes: 1}\n`, /merge keys/],
    ["tag !!js/function", specText({ nnodes: "!!js/function 'x'" }), /tag/],
    ["tag !!python/object:os.system", specText({ nnodes: "!!python/object:os.system x" }), /tag/],
    ["tag !!binary", specText({ code_path: "!!binary L3ByaXZhdGU=" }), /tag/],
    ["tag !!set", specText({ nnodes: "!!set {a}" }), /tag/],
    ["tag ! (non-specific)", specText({ nnodes: "! 4" }), /tag/],
    ["complex keys ? [1,2]", "? [1,2]\n: 3\n", /complex key/],
    ["complex keys [1,2]: 3", `${specText()}[1, 2]: 3\n`, /plain word/],
    ["a long key", `${"k".repeat(1000)}: 1\n`, /not a field/],
    ["a key of 16,000 characters", `${"k".repeat(16_000)}: 1\n`, /1024|not YAML/],
    ["BOM", bytes([0xef, 0xbb, 0xbf], specText()), /byte order mark/],
    ["BOM in a text", `\ufeff${specText()}`, /byte order mark/],
    ["UTF-16 little endian", bytes([0xff, 0xfe], [...Buffer.from(specText(), "utf16le")]), /UTF-16/],
    ["UTF-16 big endian", bytes([0xfe, 0xff, 0, 0x61]), /UTF-16/],
    ["UTF-16 without BOM", Buffer.from(specText(), "utf16le"), /U\+0000/],
    ["invalid UTF-8", bytes("# a\nnnodes: ", [0xc3, 0x28]), /not valid UTF-8/],
    ["overlong UTF-8", bytes("a: ", [0xc0, 0xaf]), /not valid UTF-8/],
    ["a surrogate in UTF-8", bytes("a: ", [0xed, 0xa0, 0x80]), /not valid UTF-8/],
    ["a lone CR", specText().replaceAll("\n", "\r"), /U\+000D/],
    ["tabs as indent", "\tworkload: ppo\n", /tab/],
    ["NUL", specText({ nnodes: "1\0" }), /U\+0000/],
    ["ESC", specText({ nnodes: "1 # \u001b[2J" }), /U\+001B/],
    ["a text that turns around in a comment", specText({ nnodes: "1 # \u202e" }), /U\+202E/],
    ["a list", "- workload: ppo\n", /a list/],
    ["a text", "workload", /single text/],
    ["nothing", "", /empty/],
    ["only a comment", "# hello\n", /empty/],
    ["a directive", `%YAML 1.1\n---\n${specText()}`, /directive/],
    ["__proto__", specText({ ["__proto__"]: "x" }), /not a field/],
    ["constructor", specText({ constructor: "x" }), /not a field/],
    ["prototype", specText({ prototype: "x" }), /not a field/],
    ["__proto__ in depth", specText({ nnodes: "{__proto__: {admin: true}}" }), /flat/],
    ["__proto__ in JSON", '{"__proto__": {"state": "SUCCEEDED"}}', /not a field/],
    ["mass assignment", '{"user":"bob","role":"admin","state":"SUCCEEDED","id":"…"}', /not a field/],
  ])("%s", (_, body, message) => {
    const result = parse(body);
    expect(result).toMatchObject({ ok: false, reason: "invalid" });
    expect(result.ok ? "" : result.errors.map((error) => error.message).join("\n")).toMatch(message);
    expect(Object.hasOwn(Object.prototype, "state") || Object.hasOwn(Object.prototype, "admin")).toBe(false);
  });

  it.each<[string, string | Uint8Array]>([
    ["50k-key map", Array.from({ length: 50_000 }, (_, i) => `k${i}: 1\n`).join("")],
    ["1 MB key", `${"k".repeat(1_000_000)}: 1\n`],
    ["one byte too many", `# ${"x".repeat(N - 2)}\n`],
    ["one byte too many in UTF-8", `# ${"é".repeat(N / 2 - 1)}x\n`],
    ["bytes", new Uint8Array(N + 1)],
  ])("%s is too large, before anything is parsed", (_, body) => {
    expect(parse(body)).toMatchObject({ ok: false, reason: "too_large", errors: [{ message: expect.stringMatching(/16384/) }] });
  });

  it("reads 16 KiB exactly", () => {
    const text = specText();
    expect(parse(`${text}#${"x".repeat(N - text.length - 2)}\n`).ok).toBe(true);
  });

  it("says where invalid UTF-8 stands", () => {
    expect(parse(bytes("# é\n# aé", [0xff]))).toMatchObject({ ok: false, errors: [{ line: 2, column: 5 }] });
  });
});

/** The best of several runs is what the code needs; the rest is the machine. */
function bestMs(body: string): number {
  const times = Array.from({ length: 5 }, () => {
    const start = performance.now();
    parse(body);
    return performance.now() - start;
  });
  return Math.min(...times);
}

describe("no body of 16 KiB takes longer than 50 ms", () => {
  const pieces = [
    "[",
    "{",
    "- ",
    "? ",
    ": ",
    ":",
    "\n",
    '"',
    "'",
    "&a ",
    "!a ",
    "*a ",
    "#\n",
    "%a\n",
    "---\n",
    "\t",
    "a: b: ",
    "[a,",
    "a:\n",
    "x",
    "a: [",
    "|\n",
    "é",
    " \n",
    "- - -\n",
  ];
  it.each(pieces)("%j over and over", (piece) => {
    const body = piece.repeat(Math.floor(N / Buffer.byteLength(piece)));
    expect(bestMs(body)).toBeLessThan(50);
  });

  it.each([
    [
      "unknown fields",
      Array.from({ length: 1500 }, (_, i) => `trian_fil${i}: x\n`)
        .join("")
        .slice(0, N),
    ],
    ["a long list", `a:\n${" - x\n".repeat(3000)}`],
    ["the same key", "workload: ppo\n".repeat(1100)],
    ["a long value", `train_file: /private/common/${"a/".repeat(8000)}`],
    ["backslashes", `train_file: "${"\\\\".repeat(8000)}"`],
  ])("%s", (_, body) => {
    expect(bestMs(body)).toBeLessThan(50);
  });
});
