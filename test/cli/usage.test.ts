import { readFile } from "node:fs/promises";
import { Command } from "commander";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { EXIT } from "../../src/cli/problem-error.ts";
import { buildProgram } from "../../src/cli/run.ts";
import { SpecWire } from "../../src/contract/resources.ts";
import { cliWorld } from "../support/cli-world.ts";

const program = buildProgram(async () => {}, "2.5.0", 80, { data: [], talk: [] });

/** Every command that does something, with its words: `user create`. */
function leaves(command: Command, words: readonly string[] = []): readonly (readonly [string, Command])[] {
  if (command.commands.length === 0) return [[words.join(" "), command]];
  return command.commands.filter((child) => child.name() !== "help").flatMap((child) => leaves(child, [...words, child.name()]));
}
const COMMANDS = leaves(program);

test.each(COMMANDS.map(([words]) => words))("%s --help says what it does and ends with an example that starts with it", async (words) => {
  const cli = cliWorld();
  expect(await cli.run(...words.split(" "), "--help")).toBe(0);
  expect(cli.stderr()).toBe("");
  const examples = cli.stdout().split("Examples:\n")[1] ?? "";
  expect(examples).toContain(`verlpool ${words === "list" ? "list" : words}`);
  expect(cli.stdout()).toMatch(/^Usage: verlpool .+\n\n\S/);
});

test("the page docs/cli.md names every command, every option and every exit code", async () => {
  const page = await readFile(new URL("../../docs/cli.md", import.meta.url), "utf8");
  const named = COMMANDS.flatMap(([words, command]) => [`\`${words}`, ...command.options.map((option) => option.long ?? option.flags)]);
  expect(named.filter((text) => !page.includes(text))).toEqual([]);
  for (const code of Object.values(EXIT)) expect(page).toMatch(new RegExp(`^\\| ${code} \\|`, "m"));
});

test("every example in the help is a command line that parses", async () => {
  for (const [words, command] of COMMANDS) {
    let help = "";
    command.configureOutput({ writeOut: (text) => (help += text) });
    command.outputHelp();
    const lines = (help.split("Examples:\n")[1] ?? "").split("\n").filter((line) => line.includes("verlpool "));
    expect([words, lines.length > 0]).toEqual([words, true]);
    for (const line of lines) {
      const [, argv = ""] = /verlpool ((?:[^|<>&;)]|'[^']*')*)/.exec(line) ?? [];
      const parsed = buildProgram(async () => {}, "2.5.0", 80, { data: [], talk: [] });
      await parsed.parseAsync(
        [...argv.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? ""),
        { from: "user" },
      );
    }
  }
});

test("without arguments the overview goes to stdout", async () => {
  const cli = cliWorld();
  expect(await cli.run()).toBe(0);
  for (const text of ["Tasks:", "Pool:", "Access:", "This machine:", "103 CANCELED"]) expect(cli.stdout()).toContain(text);
  expect(await cliWorld().run("help", "submit")).toBe(0);
});

test("--version prints the version", async () => {
  const cli = cliWorld();
  expect(await cli.run("--version")).toBe(0);
  expect(cli.stdout()).toBe("2.5.0\n");
});

test("a mistyped command or option exits 2 and is told what was meant", async () => {
  for (const [argv, meant] of [
    [["sumbit", "x"], "submit"],
    [["list", "--jsno"], "--json"],
    [["user", "crate", "x"], "create"],
  ] as const) {
    const cli = cliWorld();
    expect(await cli.run(...argv)).toBe(2);
    expect(cli.stderr()).toContain(`Did you mean ${meant}?`);
    expect(cli.stdout()).toBe("");
  }
});

test("a usage error under --json is a problem document", async () => {
  const cli = cliWorld();
  expect(await cli.run("list", "--limit", "0", "--json")).toBe(2);
  expect(JSON.parse(cli.stderr())).toMatchObject({ code: "usage" });
});

test.each([["show"], ["user"], ["template"], ["template", "dpo"], ["list", "extra"]])("%j is a usage error: exit 2", async (...argv) => {
  const cli = cliWorld();
  expect(await cli.run(...argv)).toBe(2);
  expect(cli.stderr()).not.toBe("");
  expect(cli.stdout()).toBe("");
});

test.each([
  [["template", "dpo"], "(after template comes one of: ppo, grpo, sft)"],
  [["user", "remove", "bob"], "(after user comes one of: create, list, disable, enable, limits)"],
])("%j says what there is in its place", async (argv, said) => {
  const cli = cliWorld();
  expect(await cli.run(...argv)).toBe(2);
  expect(cli.stderr()).toContain(said);
});

test.each(["ppo", "grpo", "sft"] as const)(
  "template %s is a TaskSpec of exactly the contract's fields, with a comment for each choice",
  async (workload) => {
    const cli = cliWorld();
    expect(await cli.run("template", workload)).toBe(0);
    const spec: unknown = parse(cli.stdout());
    const checked = SpecWire.omit({ trainer_device: true }).strict().parse(spec);
    expect(checked.workload).toBe(workload);
    expect([checked.nnodes, checked.n_gpus_per_node]).toEqual([1, 1]);
    expect(checked.model_id).toBe(`/private/common/models/verlpool-demo/${workload === "sft" ? "base" : "warm"}`);
    expect(cli.stdout().match(/^#/gm)?.length).toBeGreaterThan(5);
  },
);

test("the commands of this machine get their options as they were given, and give the exit code", async () => {
  const got: unknown[] = [];
  const found = { python: null, existingPython: null, torchIndex: null, allowCuda: false };
  const keep = async (options: unknown): Promise<number> => {
    got.push(options);
    return 7;
  };
  const local = { server: keep, up: keep, down: keep, status: keep, prepare: keep, demo: keep, pull: keep, configShow: keep };
  const cli = cliWorld({ env: {}, local });
  const lines = [
    "server --config c.yaml --root /r --host 0.0.0.0 --port 0 --tls-cert c.pem --tls-key k.pem --dev",
    "server",
    "up --root /r --port 9 --workers 2 --gpus-per-worker 4 --cpus-per-worker 52 --detach",
    "up",
    "down --root /r",
    "status --root /r --json",
    "prepare",
    "prepare --python py --existing-python /e/bin/python --torch-index https://t --allow-cuda",
    "prepare --no-executable",
    "demo --keep",
    "model pull a/b --revision main --root /r",
    "dataset pull c/d",
    "config show --config c.yaml --json",
  ];
  for (const line of lines) expect(await cli.run(...line.split(" "))).toBe(7);
  expect(got).toEqual([
    { config: "c.yaml", root: "/r", host: "0.0.0.0", port: 0, tlsCert: "c.pem", tlsKey: "k.pem", dev: true },
    { config: null, root: null, host: null, port: null, tlsCert: null, tlsKey: null, dev: false },
    { ...found, root: "/r", port: 9, workers: 2, gpusPerWorker: 4, cpusPerWorker: 52, detach: true },
    { ...found, root: null, port: null, workers: null, gpusPerWorker: null, cpusPerWorker: null, detach: false },
    { root: "/r" },
    { root: "/r", json: true },
    { ...found, root: null, executable: true },
    { python: "py", existingPython: "/e/bin/python", torchIndex: "https://t", allowCuda: true, root: null, executable: true },
    { ...found, root: null, executable: false },
    { ...found, root: null, keep: true },
    { kind: "model", id: "a/b", revision: "main", root: "/r" },
    { kind: "dataset", id: "c/d", revision: null, root: null },
    { config: "c.yaml", root: null, json: true },
  ]);
  expect(await cli.run("server", "--port", "70000")).toBe(2);
});

test("a local command that throws is an error with its message: exit 1", async () => {
  const cli = cliWorld({
    local: {
      down: async () => {
        throw new Error("pids.json can't be read");
      },
    },
  });
  expect(await cli.run("down")).toBe(1);
  expect(cli.stderr()).toContain("error: pids.json can't be read");
});
