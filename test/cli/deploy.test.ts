/** What deploy/ starts is what this program understands: every command line in it is parsed by the command line itself. */
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parseAllDocuments } from "yaml";
import { cliWorld } from "../support/cli-world.ts";

const deploy = join(import.meta.dirname, "../../deploy");
const PROGRAM = "/private/common/verlpool/current/verlpool";
const COMMAND_LINES = globSync("**/*", { cwd: deploy })
  .toSorted()
  .flatMap((name) =>
    /\.|Dockerfile/.test(name) ? commandLines(name, readFileSync(join(deploy, name), "utf8")).map((line) => [name, line] as const) : [],
  );

function commandLines(name: string, text: string): readonly string[] {
  if (name.endsWith(".service")) return [...text.matchAll(/^ExecStart=(.+)$/gm)].map(([, line = ""]) => line);
  if (name === "Dockerfile") {
    const words = [...text.matchAll(/^(?:ENTRYPOINT|CMD) (.+)$/gm)].flatMap(([, json = "[]"]) => JSON.parse(json) as string[]);
    return [words.join(" ")];
  }
  const found: string[] = [];
  const visit = (value: unknown): void => {
    if (Array.isArray(value)) value.forEach(visit);
    else if (typeof value === "object" && value !== null)
      for (const [key, inner] of Object.entries(value)) {
        // The image's entrypoint is the program (Dockerfile); a manifest names it.
        if (key === "command") found.push([...(name === "compose.yaml" ? [PROGRAM] : []), ...(inner as string[])].join(" "));
        else visit(inner);
      }
  };
  for (const document of parseAllDocuments(text, { merge: true })) visit(document.toJS());
  return found;
}

test.each(COMMAND_LINES)("%s: %s", async (_name, line) => {
  const [program, role, ...flags] = line.split(" ");
  expect(program).toBe(PROGRAM);
  const run = async (): Promise<number> => 7;
  const cli = cliWorld({ env: {}, local: { server: run, head: run, worker: run } });
  expect(await cli.run(role ?? "", ...flags), cli.stderr()).toBe(7);
});

test("server, head and worker are started by each of compose, Kubernetes and systemd", () => {
  const roles = Object.groupBy(COMMAND_LINES, ([name]) => name.replace(/\/.*/, ""));
  const started = Object.fromEntries(
    Object.entries(roles).map(([name, lines]) => [name, lines?.map(([, line]) => line.split(" ")[1]).toSorted()]),
  );
  const all = ["head", "server", "worker"];
  expect(started).toEqual({ Dockerfile: ["worker"], "compose.yaml": all, "kubernetes.yaml": all, systemd: all });
});
