/** The argv of every profile against verl's own configuration: a key that a release does not know ends its start, minutes into a task. */
import { execFile, execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { parse } from "yaml";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseProfile } from "../../src/contract/profile-file.ts";
import { BUILTIN_PROFILES } from "../../src/domain/verl/builtin-profiles.ts";
import { buildCommand } from "../../src/domain/verl/command.ts";
import { DEMO_PROFILES } from "../../src/domain/verl/demo-profiles.ts";
import { profileId } from "../../src/domain/verl/profile.ts";
import type { Profile } from "../../src/domain/verl/profile.ts";
import { pythonFrom } from "../support/real-ray.ts";
import { inputFor } from "../support/verl-command.ts";

const run = promisify(execFile);
const python = (): string => pythonFrom("VERLPOOL_TEST_PYTHON");
const dir = mkdtempSync(path.join(tmpdir(), "verlpool-compose-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const demo = Object.entries(DEMO_PROFILES).map(([fileName, text]): Profile => {
  const result = parseProfile(text, fileName);
  if (!result.ok) throw new Error(JSON.stringify(result.errors));
  return result.profile;
});
const current = [...BUILTIN_PROFILES.filter((profile) => profile.verl.includes("0.9")), ...demo];

const RESUME = { path: "/private/users/alice/jobs/mvp2-alice-ppo-20260102-030405-0123abcd--a00/checkpoints/global_step_6" };

/** verl's own entry points, asked to print their resolved configuration instead of training: `--cfg job --resolve`. One process: importing verl takes long. */
const ASK_VERL = `
import contextlib, importlib, io, json, sys
source, target = sys.argv[1:]
with open(source, encoding="utf-8") as src:
    commands = json.load(src)
answers = []
for module, overrides in commands:
    out, err = io.StringIO(), io.StringIO()
    sys.argv = [module, *overrides, "--cfg", "job", "--resolve"]
    try:
        main = importlib.import_module(module).main
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            main()
        answers.append({"yaml": out.getvalue()})
    except SystemExit:
        answers.append({"error": err.getvalue()})
with open(target, "w", encoding="utf-8") as to:
    json.dump(answers, to)
`;

type Answer = { readonly yaml?: string; readonly error?: string };
type Config = { readonly [group: string]: { readonly [key: string]: unknown } | undefined };

async function askVerl(profiles: readonly Profile[]): Promise<readonly Answer[]> {
  const [source, target] = [path.join(dir, "commands.json"), path.join(dir, "answers.json")];
  const commands = profiles.map((profile) => {
    const [, , module, ...overrides] = buildCommand(inputFor(profile, { resume: RESUME })).argv;
    return [module, overrides];
  });
  writeFileSync(source, JSON.stringify(commands));
  await run(python(), ["-c", ASK_VERL, source, target], { cwd: dir, maxBuffer: 1 << 26 });
  return JSON.parse(readFileSync(target, "utf8")) as Answer[];
}

describe("verl 0.9 itself composes", () => {
  const [first] = current;
  const wrong = first === undefined ? [] : [{ ...first, settings: { "trainer.no_such_key": 1 } }];
  let answers: readonly Answer[] = [];
  beforeAll(async () => {
    answers = await askVerl([...current, ...wrong]);
  });

  it.each(current.map((profile, i) => [profileId(profile), profile, i] as const))(
    "the argv of %s, with no unknown key",
    (_, profile, i) => {
      expect(answers[i]?.error).toBeUndefined();
      const config = parse(answers[i]?.yaml ?? "", { logLevel: "silent" }) as Config;
      expect(config["trainer"]).toMatchObject({
        nnodes: 2,
        n_gpus_per_node: 4,
        logger: ["console", "file"],
        device: profile.device,
        resume_mode: "resume_path",
        resume_from_path: RESUME.path.replace("/private", "/srv/pool"),
        default_local_dir: "/srv/pool/users/alice/jobs/mvp2-alice-ppo-20260102-030405-0123abcd--a01/checkpoints",
      });
      expect(config["data"]).toMatchObject({
        train_files: "/srv/pool/common/d/train.parquet",
        val_files: "/srv/pool/common/d/test.parquet",
      });
      const model = profile.workload === "sft" ? config["model"] : config["actor_rollout_ref"]?.["model"];
      expect(model).toMatchObject({ path: "/srv/pool/common/models/m" });
    },
  );

  it("not a key that it does not know", () => {
    expect(answers[current.length]?.error).toMatch(/no_such_key/);
  });
});

/** Composes with the release's own files, without importing it: its dependencies differ from 0.9's. */
const COMPOSE = `
import json, sys
from hydra import compose, initialize_config_dir
config_dir, name, source = sys.argv[1:]
with open(source, encoding="utf-8") as src:
    overrides = json.load(src)
with initialize_config_dir(config_dir, version_base=None):
    cfg = compose(name, [text for text in overrides if not text.startswith("hydra.")])
print(json.dumps({"nnodes": cfg.trainer.nnodes, "logger": list(cfg.trainer.logger)}))
`;

const RELEASES: { readonly [verl: string]: string } = { "0.5": "0.5.0", "0.6": "0.6.1", "0.7": "0.7.1", "0.7.1": "0.7.1", "0.8": "0.8.0" };
const older = BUILTIN_PROFILES.filter((profile) => !profile.verl.includes("0.9"));

describe("the configuration of an older verl composes", () => {
  const trees = new Map<string, string>();

  beforeAll(() => {
    for (const release of new Set(Object.values(RELEASES))) {
      const tree = path.join(dir, release);
      mkdirSync(tree);
      execFileSync(python(), ["-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:", "-d", tree, `verl==${release}`]);
      const wheel = readdirSync(tree).find((file) => file.endsWith(".whl")) ?? "";
      execFileSync(python(), ["-m", "zipfile", "-e", path.join(tree, wheel), tree]);
      trees.set(release, tree);
    }
  });

  it.each(older.map((profile) => [profileId(profile), profile] as const))("the argv of %s, with no unknown key", (_, profile) => {
    const tree = trees.get(RELEASES[profile.verl[0] ?? ""] ?? "") ?? "";
    const { argv } = buildCommand(inputFor(profile));
    const source = path.join(dir, `${profileId(profile)}.json`);
    writeFileSync(source, JSON.stringify(argv.slice(3)));
    const name = profile.workload === "sft" ? "sft_trainer_engine" : "ppo_trainer";
    const out = execFileSync(python(), ["-c", COMPOSE, path.join(tree, "verl/trainer/config"), name, source], {
      encoding: "utf8",
    });
    expect(JSON.parse(out)).toEqual({ nnodes: 2, logger: profile.verl.includes("0.5") ? ["console"] : ["console", "file"] });
    expect(readdirSync(path.join(tree, "verl/trainer"))).toContain(`${profile.driver.split(".").at(-1)}.py`);
  });
});
