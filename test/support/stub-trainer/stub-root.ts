/**
 * A shared root whose code_path is a verl tree that trains nothing (stub_trainer.py). Each trainee is a model directory of its own: it says how its
 * runs behave, and holds the lines that their processes wrote while they lived.
 */
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const STUB = join(import.meta.dirname, "stub_trainer.py");

type Behaviour = {
  readonly steps: number;
  readonly step_s: number;
  /** Its last step waits for `go()`. */
  readonly gate: boolean;
  readonly ray: "none" | "actors" | "hang";
  /** Ends as verl does when GPUs are missing, until `enough()`. */
  readonly fail_fast: boolean;
};

type Shape = { readonly workload: "ppo" | "grpo" | "sft"; readonly nnodes: number; readonly gpus: number };

/** One line of a living process. */
export type Sign = {
  /** Seconds of CLOCK_BOOTTIME, one clock for all processes of the machine. */
  readonly at: number;
  readonly attempt: string;
  readonly role: string;
  readonly what: "start" | "beat";
  readonly pid: string;
};

export type Trainee = {
  readonly spec: string;
  readonly go: () => void;
  readonly enough: () => void;
  /** Everything its processes said, in the order in which it arrived. */
  readonly signs: () => readonly Sign[];
};

export type StubRoot = {
  readonly root: string;
  readonly trainee: (behaviour?: Partial<Behaviour>, shape?: Partial<Shape>) => Trainee;
  readonly jobFile: (userId: string, submissionId: string, path: string) => string;
  readonly remove: () => void;
};

export function makeStubRoot(): StubRoot {
  const root = mkdtempSync(join(tmpdir(), "verlpool-stub-"));
  return {
    root,
    trainee: stubTrainees(root, "trainee"),
    jobFile: (userId, submissionId, path) => readOrNothing(join(root, "users", userId, "jobs", submissionId, path)),
    remove: () => rmSync(root, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 }),
  };
}

/** Puts the stub's code and data into a root; each trainee is a model directory `<prefix>-<n>` there. */
export function stubTrainees(root: string, prefix: string): StubRoot["trainee"] {
  const common = join(root, "common");
  const code = join(common, "code/verl-stub/verl");
  for (const path of [join(code, "trainer"), join(code, "version"), join(common, "datasets/stub"), join(common, "hf")])
    mkdirSync(path, { recursive: true });
  for (const path of ["__init__.py", "trainer/__init__.py"]) writeFileSync(join(code, path), "");
  for (const name of ["main_ppo.py", "sft_trainer_ray.py"]) copyFileSync(STUB, join(code, "trainer", name));
  writeFileSync(join(code, "version/version"), "0.9.1\n");
  writeFileSync(join(common, "datasets/stub/train.parquet"), "PAR1");
  let trainees = 0;
  return (behaviour = {}, shape = {}) => {
    trainees += 1;
    const name = `${prefix}-${trainees}`;
    const folder = join(common, "models", name);
    mkdirSync(folder, { recursive: true });
    const whole: Behaviour = { steps: 3, step_s: 0.1, gate: false, ray: "none", fail_fast: false, ...behaviour };
    writeFileSync(join(folder, "behaviour.json"), JSON.stringify(whole));
    if (whole.fail_fast) writeFileSync(join(folder, "short"), "");
    return {
      spec: specOf(name, { workload: "sft", nnodes: 1, gpus: 1, ...shape }, whole.steps),
      go: () => writeFileSync(join(folder, "go"), ""),
      enough: () => rmSync(join(folder, "short")),
      signs: () => signsIn(readOrNothing(join(folder, "world"))),
    };
  };
}

function specOf(model: string, { workload, nnodes, gpus }: Shape, steps: number): string {
  const lines = [
    `workload: ${workload}`,
    "code_path: /private/common/code/verl-stub",
    `model_id: /private/common/models/${model}`,
    "train_file: /private/common/datasets/stub/train.parquet",
    ...(workload === "sft" ? [] : ["val_file: /private/common/datasets/stub/train.parquet"]),
    `nnodes: ${nnodes}`,
    `n_gpus_per_node: ${gpus}`,
    `total_training_steps: ${steps}`,
  ];
  return `${lines.join("\n")}\n`;
}

function signsIn(text: string): readonly Sign[] {
  // A process that is killed in the middle of its write leaves no half line: short appends are whole or absent.
  return text
    .split("\n")
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Sign);
}

function readOrNothing(path: string): string {
  return existsSync(path) ? readFileSync(path, "utf8") : "";
}

/** From the first to the last sign of each attempt, whichever of its processes gave it. */
export function livesOf(signs: readonly Sign[]): ReadonlyMap<string, { readonly first: number; readonly last: number }> {
  const lives = new Map<string, { first: number; last: number }>();
  for (const { attempt, at } of signs) {
    const life = lives.get(attempt);
    if (life === undefined) lives.set(attempt, { first: at, last: at });
    else lives.set(attempt, { first: Math.min(life.first, at), last: Math.max(life.last, at) });
  }
  return lives;
}

/** For how many seconds two attempts lived at once: 0 is the promise. */
export function overlapOf(signs: readonly Sign[]): number {
  const lives = [...livesOf(signs).values()].sort((a, b) => a.first - b.first);
  return lives.slice(1).reduce((worst, life, index) => {
    const before = lives.slice(0, index + 1);
    return Math.max(worst, ...before.map((other) => Math.min(other.last, life.last) - life.first));
  }, 0);
}

/** The attempts of which more than one driver was started: none, ever. */
export function startedTwice(signs: readonly Sign[]): readonly string[] {
  const starts = signs.filter(({ role, what }) => role === "driver" && what === "start").map(({ attempt }) => attempt);
  return [...new Set(starts.filter((attempt, index) => starts.indexOf(attempt) !== index))];
}
