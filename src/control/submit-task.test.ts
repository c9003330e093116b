/** A submission: what is checked before, and what is durable after. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { AUDIT, byUser } from "../../test/support/audit-samples.ts";
import { manualClock } from "../../test/support/manual-clock.ts";
import { newTask, newUser, NOW } from "../../test/support/task-samples.ts";
import type { TrainingInputs } from "../domain/preflight.ts";
import { openStore } from "../store/open-store.ts";
import type { ProfileChoice } from "./command-source.ts";
import type { PathCheck } from "../domain/preflight.ts";
import type { Store } from "./ports.ts";
import { admit, type Created, type SubmitDeps, submitTask, type Submission } from "./submit-task.ts";

const CHOICE: ProfileChoice = {
  profile: { name: "ppo@1", verlVersion: "0.9.1", exclusive: false },
  needs: { nodes: 2, gpusPerNode: 4, cpusPerNode: 22 },
  settings: {},
  keepCheckpoints: 2,
  warnings: [{ code: "verl_unknown", field: "code_path", text: "no version file" }],
};

const PROMPT = { name: "prompt", shape: "messages", fields: ["content", "role"] } as const;
const INPUTS: TrainingInputs = {
  isVerl: true,
  checksBatch: true,
  train: {
    kind: "parquet",
    rows: 512,
    columns: [
      PROMPT,
      { name: "data_source", shape: "text", fields: [] },
      { name: "reward_model", shape: "struct", fields: ["ground_truth", "style"] },
    ],
  },
  val: null,
  model: { kind: "read", parameters: 1_000 },
  identity: { train: { bytes: 2_007, modifiedAt: NOW }, val: null },
};

let store: Store;
let checks: Map<string, PathCheck>;
let models: Set<string>;
let inputs: TrainingInputs | { readonly unknown: string };
let pool: SubmitDeps["pool"];

beforeEach(async () => {
  checks = new Map();
  models = new Set(["Qwen/Qwen2.5-0.5B-Instruct"]);
  inputs = INPUTS;
  pool = { maxNodes: null, maxGpusPerNode: null };
  store = await openStore({ url: ":memory:", ids: { hex: (bytes) => "ab".repeat(bytes) }, clock: manualClock(NOW) });
  await store.users.insertUser(newUser("alice"), AUDIT);
});
afterEach(() => store.close());

let suffix = 0;
function deps(): SubmitDeps {
  return {
    store,
    common: {
      check: (path) => Promise.resolve(checks.get(path) ?? { kind: "ok" }),
      verlVersion: () => Promise.resolve("0.9.1"),
      hasModel: (id) => Promise.resolve(models.has(id) ? "there" : "missing"),
      catalog: () => Promise.resolve({ code: [], models: [], datasets: [], truncated: false }),
      inputs: () => Promise.resolve(inputs),
    },
    commands: {
      choose: () => Promise.resolve(CHOICE),
      build: () => Promise.reject(new Error("nothing is built at a submission")),
      list: () => Promise.resolve([]),
    },
    clock: manualClock(NOW),
    ids: { hex: (bytes) => (suffix += 1).toString(16).padStart(bytes * 2, "0") },
    pool,
  };
}

function submission(over: Partial<Submission> = {}): Submission {
  const { spec, specText } = newTask("mvp2-alice-ppo-20260101-000000-00000000");
  return {
    userId: "alice",
    by: byUser("alice"),
    specText,
    spec,
    specWarnings: [{ code: "ignored_field", field: "old", text: "old is ignored" }],
    lineOf: (field) => ({ line: field === "train_file" ? 4 : 1, column: 1 }),
    name: null,
    profile: null,
    priority: 0,
    labels: {},
    deadline: null,
    maxRuntimeMs: null,
    ...over,
  };
}

const render = (created: Created): string => JSON.stringify({ task_id: created.taskId, state: created.state });

async function submit(over: Partial<Submission> = {}, key: string | null = null, bodyHash = "body") {
  const one = submission(over);
  const idempotency = key === null ? null : { key, bodyHash };
  return submitTask(deps(), one, await admit(deps(), one), idempotency, render);
}

function code(expected: string): Error {
  return expect.objectContaining({ code: expected }) as Error;
}

describe("checks before a submission", () => {
  it("all warnings come together: the spec's, the world's and the profile's", async () => {
    checks.set("/private/common/code/verl", { kind: "unknown", error: "no answer in 2 s" });
    const { warnings, choice } = await admit(deps(), submission());
    expect(warnings.map((warning) => warning.code)).toEqual(["ignored_field", "not_checked", "verl_unknown"]);
    expect(choice).toBe(CHOICE);
  });

  it("all errors of the world come together, each with its line", async () => {
    checks.set("/private/common/code/verl", { kind: "wrong_type", found: "a file" });
    checks.set("/private/common/datasets/train.parquet", { kind: "outside", target: "/etc/passwd" });
    models.clear();
    const error = await admit(deps(), submission()).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({
      code: "preflight_failed",
      fields: [
        { field: "code_path", allowed: "a directory" },
        { field: "train_file", line: 4, found: "/private/common/datasets/train.parquet" },
        { field: "model_id", found: "Qwen/Qwen2.5-0.5B-Instruct" },
      ],
    });
    expect((error as Error).message).toContain("leaves /private/common (to /etc/passwd)");
  });

  it("what verl would refuse minutes later is refused now, with the line of the field; a hung mount is a warning", async () => {
    inputs = { ...INPUTS, train: { kind: "parquet", rows: 512, columns: [PROMPT] } };
    await expect(admit(deps(), submission())).rejects.toMatchObject({
      code: "preflight_failed",
      fields: [
        { field: "train_file", line: 4, found: "prompt", allowed: "a column data_source" },
        { field: "train_file", allowed: "a column reward_model" },
      ],
    });
    inputs = { unknown: "no answer in 2 s" };
    const admitted = await admit(deps(), submission());
    expect(admitted.training).toBeNull();
    expect(admitted.warnings.at(-1)).toMatchObject({ code: "not_checked", field: "train_file" });
  });

  it("a model given as a path is looked at as a directory, and val_file where there is one", async () => {
    const { spec } = submission();
    checks.set("/private/common/models/tiny", { kind: "missing" });
    checks.set("/private/common/datasets/val.parquet", { kind: "missing" });
    const changed = { ...spec, modelId: "/private/common/models/tiny", valFile: "/private/common/datasets/val.parquet" };
    await expect(admit(deps(), submission({ spec: changed }))).rejects.toMatchObject({
      fields: [{ field: "val_file" }, { field: "model_id" }],
    });
  });

  it("an unknown or disabled user submits nothing", async () => {
    await expect(admit(deps(), submission({ userId: "nobody" }))).rejects.toThrow(code("not_found"));
    await store.users.setUserState("alice", "DISABLED", AUDIT);
    await expect(admit(deps(), submission())).rejects.toThrow(code("wrong_state"));
  });

  it("a priority above the user's and a deadline in the past are refused", async () => {
    await expect(admit(deps(), submission({ priority: 1 }))).rejects.toThrow(code("bad_parameter"));
    await admit(deps(), submission({ priority: -100 }));
    await expect(admit(deps(), submission({ deadline: NOW }))).rejects.toThrow(code("bad_parameter"));
    await admit(deps(), submission({ deadline: NOW + 1 }));
  });

  it("a shape above the operator's ceiling is refused; one that only does not fit now is accepted", async () => {
    pool = { maxNodes: 2, maxGpusPerNode: 4 };
    await admit(deps(), submission());
    pool = { maxNodes: 1, maxGpusPerNode: null };
    await expect(admit(deps(), submission())).rejects.toThrow(code("pool_too_small"));
    pool = { maxNodes: null, maxGpusPerNode: 3 };
    await expect(admit(deps(), submission())).rejects.toThrow("pool.max_gpus_per_node");
  });
});

describe("a submission", () => {
  it("is a durable QUEUED task with its first event", async () => {
    const { taskId, body, replayed } = await submit({ name: "run", labels: { team: "a" }, maxRuntimeMs: 5 });
    expect(replayed).toBe(false);
    expect(JSON.parse(body)).toEqual({ task_id: taskId, state: "QUEUED" });
    expect(taskId).toMatch(/^mvp2-alice-ppo-\d{8}-\d{6}-[0-9a-f]{8}$/);
    const task = await store.tasks.get(taskId);
    expect(task).toMatchObject({
      state: "QUEUED",
      name: "run",
      labels: { team: "a" },
      maxRuntimeMs: 5,
      needs: CHOICE.needs,
      profile: CHOICE.profile,
    });
    expect((await store.tasks.events(taskId, 0, 10)).rows).toMatchObject([{ type: "created", actor: "user:alice", data: { gpus: 8 } }]);
  });

  it("with the same key is the first answer again, in the same bytes; with another body it is refused", async () => {
    const first = await submit({}, "key");
    const again = await submit({}, "key");
    expect(again).toEqual({ ...first, replayed: true });
    await expect(submit({}, "key", "other body")).rejects.toThrow(code("idempotency_key_reused"));
    expect((await submit({}, "key2")).taskId).not.toBe(first.taskId);
  });

  it("above max_queued is told how many wait and when to come again", async () => {
    const limits = { ...newUser("alice").limits, maxQueued: 1 };
    await store.users.setUserLimits("alice", limits, () => AUDIT);
    await submit();
    await expect(submit()).rejects.toMatchObject({ code: "user_limit", retryAfterS: 60 });
  });
});
