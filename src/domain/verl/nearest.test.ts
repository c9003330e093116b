import { describe, expect, it } from "vitest";
import { nearest } from "./nearest.ts";

const WORDS = ["train_file", "val_file", "nnodes", "n_gpus_per_node", "save_freq"];

describe("the nearest known word", () => {
  it.each([
    ["trian_file", "train_file"],
    ["trainfile", "train_file"],
    ["train-file", "train_file"],
    ["NNODES", "nnodes"],
    ["node", "nnodes"],
    ["gpus_per_node", "n_gpus_per_node"],
    ["save_frequency", null],
    ["zzz", null],
    ["", null],
    ["x".repeat(1000), null],
  ])("of %j is %j", (text, expected) => {
    expect(nearest(text, WORDS)).toBe(expected);
  });
});
