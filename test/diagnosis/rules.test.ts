import { describe, expect, it } from "vitest";
import { diagnose } from "../../src/domain/diagnosis/diagnose.ts";
import { findings } from "../../src/domain/diagnosis/findings.ts";
import { LABELS } from "../../src/domain/diagnosis/labels.ts";
import { RULES } from "../../src/domain/diagnosis/rules.ts";
import { textsOf } from "./alternatives.ts";
import { CLUSTER_SAMPLES } from "./samples-cluster.ts";
import { JOB_SAMPLES } from "./samples-job.ts";
import { MEMORY_SAMPLES } from "./samples-memory.ts";

const SAMPLES = { ...MEMORY_SAMPLES, ...CLUSTER_SAMPLES, ...JOB_SAMPLES };
const NOISE_BEFORE = `2026-01-01 00:00:01,000\tINFO worker.py:1832 -- Connecting to existing Ray cluster at address: 10.0.0.1:6379...
(pid=gcs_server) Waiting for register center actor to be ready. Elapsed time: 0 seconds out of 300 seconds
Training Progress:   0%|          | 0/10 [00:00<?, ?it/s]`;
const NOISE_AFTER = "Set the environment variable HYDRA_FULL_ERROR=1 for a complete stack trace.";
const inLog = (text: string): string => `${NOISE_BEFORE}\n${text}\n${NOISE_AFTER}\n`;
const of = (text: string) => [{ text, firstLine: 1 }];

describe("each rule", () => {
  it("has its sample, and each sample its rule", () => {
    expect(Object.keys(SAMPLES).toSorted()).toEqual(RULES.map((rule) => rule.id).toSorted());
  });

  it.each(RULES.map((rule) => [rule.id, rule] as const))("%s: sees its message in a log, and not what looks like it", (id, rule) => {
    const sample = SAMPLES[id];
    const best = findings(of(inLog(sample?.log ?? ""))).best;
    expect(best?.rule.id).toBe(id);
    expect(diagnose({ log: of(inLog(sample?.log ?? "")), rayMessage: "" }).label).toBe(rule.label);
    expect(findings(of(inLog(sample?.not ?? ""))).best?.rule.id).not.toBe(id);
  });

  it.each(RULES.map((rule) => [rule.id, rule] as const))("%s: each alternative of its pattern holds one of its words", (_, rule) => {
    const dead = textsOf(rule.pattern)
      .filter((text) => rule.pattern.test(text))
      .filter((text) => !rule.needles.some((needle) => text.toLowerCase().includes(needle)));
    expect(dead).toEqual([]);
  });

  it.each(RULES.map((rule) => [rule.id, rule] as const))("%s: is well formed", (_, rule) => {
    expect(rule.needles.filter((needle) => needle !== needle.toLowerCase() || needle.length < 3)).toEqual([]);
    expect(rule.pattern.flags).not.toMatch(/[gy]/);
    // An unbounded gap between two fixed parts costs the square of a line's length.
    expect(rule.pattern.source).not.toMatch(/(?:\.|\\S|\\s|\\w\]|\[\^[^\]]*\])[*+]/);
    expect(rule.why.length).toBeGreaterThan(10);
    expect(rule.fix.length).toBeGreaterThan(20);
    expect(Object.keys(LABELS)).toContain(rule.label);
    const groups = new Set([...rule.pattern.source.matchAll(/\(\?<([a-z]+)\d*>/g)].map(([, name]) => name));
    const used = [...`${rule.why}${rule.fix}`.matchAll(/\{(\w+)(?:\|[^}]*)?\}/g)].map(([, name]) => name);
    expect(used.filter((name) => !groups.has(name))).toEqual([]);
  });
});
