import { resolve } from "node:path";
import { expect, test } from "vitest";
import type { AgentOptions, AgentStatusOptions } from "../../src/cli/world.ts";
import { cliWorld } from "../support/cli-world.ts";

async function startedWith(...argv: string[]): Promise<{ readonly exit: number; readonly asked: readonly AgentOptions[] }> {
  const asked: AgentOptions[] = [];
  const cli = cliWorld({ local: { start: async (options) => (asked.push(options), 0) } });
  return { exit: await cli.run("start", ...argv), asked };
}

test("start takes the flags of the foreground command and hands them on, with paths that hold in any directory", async () => {
  const { exit, asked } = await startedWith("server", "--root", "pool", "--port", "0", "--dev", "--tls-cert=cert.pem");
  expect(exit).toBe(0);
  expect(asked).toEqual([
    {
      role: "server",
      argv: ["--root", resolve("pool"), "--port", "0", "--dev", `--tls-cert=${resolve("cert.pem")}`],
      config: null,
      root: "pool",
      cluster: null,
      nodeName: null,
      stateDir: null,
    },
  ]);
});

test("a flag or a value that the foreground command refuses is refused before anything starts", async () => {
  expect(await startedWith("server", "--gpus", "4")).toEqual({ exit: 2, asked: [] });
  expect(await startedWith("server", "--port", "65536")).toEqual({ exit: 2, asked: [] });
  expect(await startedWith("database")).toEqual({ exit: 2, asked: [] });
});

test("status alone is that of `up`, and with an agent's name that agent's, each with its own --root", async () => {
  const asked: AgentStatusOptions[] = [];
  const ups: unknown[] = [];
  const local = {
    agentStatus: async (one: AgentStatusOptions) => (asked.push(one), 0),
    status: async (one: unknown) => (ups.push(one), 0),
  };
  expect(await cliWorld({ local }).run("status", "server", "--root", "/srv/pool", "--json")).toBe(0);
  expect(asked).toMatchObject([{ role: "server", root: "/srv/pool", json: true }]);
  expect(await cliWorld({ local }).run("status", "--root", "/srv/pool", "--json")).toBe(0);
  expect(ups).toEqual([{ root: "/srv/pool", json: true }]);
});
