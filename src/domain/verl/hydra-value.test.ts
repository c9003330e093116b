import { describe, expect, it } from "vitest";
import { encodeSetting, keyProblem, quote } from "./hydra-value.ts";

describe("a setting for Hydra", () => {
  it.each<[unknown, string]>([
    ["a", "'a'"],
    ["", "''"],
    ["it's", "'it\\'s'"],
    ["a\\b", "'a\\b'"],
    ["a\\", "'a\\\\'"],
    ["\\'", "'\\\\\\''"],
    ["a,b", "'a,b'"],
    ["null", "'null'"],
    [null, "null"],
    [true, "true"],
    [0.4, "0.4"],
    [1e-6, "0.000001"],
    [3e-7, "3e-7"],
    [-1, "-1"],
    [["console", "file"], "['console','file']"],
    [{ dtype: "fp32", n: [1, null] }, "{dtype:'fp32',n:[1,null]}"],
    [[], "[]"],
    [{}, "{}"],
  ])("%j is written %s", (value, text) => {
    expect(encodeSetting(value as string)).toEqual({ ok: true, text });
  });

  it.each<[unknown, RegExp]>([
    ["${oc.env:HOME}", /holds a \$/],
    ["a\nb", /U\+000A/],
    ["é", /U\+00E9/],
    ["\u{1f600}", /U\+1F600/],
    ["\ud800", /U\+D800/],
    ["???", /missing value/],
    [Number.NaN, /NaN/],
    [Infinity, /Infinity/],
    [2 ** 53, /9007199254740992/],
    [["a", "$b"], /holds a \$/],
    [{ "a b": 1 }, /the key "a b"/],
    [{ null: 1 }, /the key "null"/],
    [{ a: { b: "$" } }, /holds a \$/],
    [[[[[[[[[[1]]]]]]]]], /nested deeper/],
  ])("%j is refused", (value, reason) => {
    expect(encodeSetting(value as string)).toMatchObject({ ok: false, reason: expect.stringMatching(reason) });
  });

  it("is one quoted token whatever it holds, even unchecked", () => {
    expect(quote("x' +hydra.run.dir=/etc")).toBe("'x\\' +hydra.run.dir=/etc'");
  });
});

describe("a key for Hydra", () => {
  it.each(["trainer.nnodes", "+transfer_queue.backend.SimpleStorage.x", "++a", "model_engine"])("%s is one", (key) => {
    expect(keyProblem(key)).toBeNull();
  });

  it.each(["", "hydra/launcher", "~trainer.logger", "a=b", "a b", "a@b", "+++a", ".a", "a.", "a..b", "a$", "é", "--config-dir"])(
    "%j is none",
    (key) => {
      expect(keyProblem(key)).not.toBeNull();
    },
  );
});
