/** Breadth: messages of verl 0.3–0.9, Ray, PyTorch, NCCL, vLLM, SGLang, Megatron, Hydra, the Hugging Face libraries and Linux. */
import { expect, it } from "vitest";
import { diagnose } from "../../src/domain/diagnosis/diagnose.ts";
import { CLUSTER_MESSAGES } from "./messages-cluster.ts";
import { FRAGMENTS } from "./messages-fragments.ts";
import { MACHINE_MESSAGES } from "./messages-machine.ts";
import { NOISE_MESSAGES } from "./messages-noise.ts";
import { SOFTWARE_MESSAGES } from "./messages-software.ts";
import { TRAINING_MESSAGES } from "./messages-training.ts";

const ALL = [...MACHINE_MESSAGES, ...CLUSTER_MESSAGES, ...SOFTWARE_MESSAGES, ...TRAINING_MESSAGES, ...NOISE_MESSAGES];
const labelOf = (text: string): string => diagnose({ log: [{ text, firstLine: 1 }], rayMessage: "" }).label;

it.each([...Map.groupBy(ALL, ([label]) => label)])("the messages of %s", (label, messages) => {
  expect(messages.map(([, log]) => [labelOf(log), log])).toEqual(messages.map(([, log]) => [label, log]));
});

it.each([...Map.groupBy(FRAGMENTS, ([label]) => label)])("pieces of logs: %s", (_, messages) => {
  expect(messages.map(([, log]) => [labelOf(log), log])).toEqual(messages.map(([label, log]) => [label, log]));
});

it("a failure is found with a healthy run's noise around it", () => {
  const noise = NOISE_MESSAGES.map(([, log]) => log).filter((log) => !log.includes("step:"));
  const failures = ALL.filter(([label]) => label !== "unknown" && label !== "hang_unknown");
  const missed = failures.filter(([label, log]) => labelOf([...noise, log, ...noise].join("\n")) !== label);
  expect(missed).toEqual([]);
});
