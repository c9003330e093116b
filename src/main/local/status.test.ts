import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { recordProcess } from "../../pool/process-record.ts";
import { agentPlacesOf, agentsHome } from "../agent/agent-places.ts";
import { writeAgentRecord } from "../agent/agent-record.ts";
import { statusCommand } from "./down-command.ts";
import { placesOf } from "./places.ts";
import { writeRecord } from "./run-record.ts";

let root = "";
let server: Server;
let door = "ok";

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), "verlpool-status-"));
  server = createServer((_, response) => response.end(JSON.stringify({ status: door, checks: { ray_door: { status: door, ms: 1 } } })));
  await once(server.listen(0, "127.0.0.1"), "listening");
});

afterEach(async () => {
  rmSync(root, { recursive: true, force: true });
  server.close();
  await once(server, "close");
});

async function status(json: boolean): Promise<string> {
  const up = recordProcess("up", process.pid);
  if (up === null) throw new Error("this process has no record");
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const started_at = "2026-11-24T00:00:00.000Z";
  writeRecord(placesOf(root, {}).recordFile, { schema: 1, up, processes: [], url, dashboard_url: null, started_at });
  let said = "";
  const stdout = { isTTY: false, write: async (text: string | Uint8Array) => void (said += String(text)) };
  expect(await statusCommand(root, json, {}, stdout)).toBe(0);
  return said;
}

// Processes are told apart by /proc.
describe.runIf(process.platform === "linux")("status", () => {
  test("says when Ray asks for no token, and nothing when it does", async () => {
    door = "degraded";
    expect(await status(false)).toMatch(/^Ray {4}OPEN: .*without a token/m);
    expect(JSON.parse(await status(true))).toMatchObject({ state: "up", ready: "degraded", ray_open: true });
    door = "ok";
    expect(await status(false)).not.toContain("OPEN");
    expect(JSON.parse(await status(true))).toMatchObject({ ready: "ok", ray_open: false });
  });

  test("shows the agents of this root beside the pool of `up`, or alone, and a dead one by the exit code", async () => {
    const environment = { VERLPOOL_STATE_DIR: join(root, "state") };
    const us = recordProcess("server", process.pid);
    if (us === null) throw new Error("this process has no record");
    const home = agentsHome(root, "gpus", null, environment);
    const record = { schema: 1, role: "server", name: "server", root, cluster: "gpus", argv: [], since: "", restarts: 2, log: "" } as const;
    const keep = (agent: typeof us): void => {
      const { recordFile } = agentPlacesOf({ name: "server", root, home });
      writeAgentRecord(recordFile, {
        ...record,
        argv: [],
        supervisor: agent,
        agent,
        state: "running",
        last_end: null,
        next_start_at: null,
      });
    };
    let said = "";
    const stdout = { isTTY: false, write: async (text: string | Uint8Array) => void (said += String(text)) };
    keep(us);
    expect(await statusCommand(root, false, environment, stdout)).toBe(0);
    expect(said).toMatch(/^AGENT.*\nserver +\d+ .* 2 {2}runs\n/);
    keep({ ...us, startTicks: 1 });
    said = "";
    expect(await statusCommand(root, true, environment, stdout)).toBe(1);
    expect(JSON.parse(said)).toMatchObject({ state: "down", agents: [{ name: "server", state: "dead" }] });
  });
});
