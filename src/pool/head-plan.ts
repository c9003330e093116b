/** The head of a pool of several machines, worked out before it starts: address, ports, memory, environment, command line. */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { chooseFreePorts } from "./free-ports.ts";
import type { PlannedNode } from "./pool-plan.ts";
import { type GcsStorage, headEnv, rayEnv } from "./ray-env.ts";
import type { Containment, RayInstall } from "./ray-install.ts";
import { headArgv, NODE_PORT_COUNT, nodePorts } from "./ray-process.ts";

export type HeadPlanning = {
  readonly tag: string;
  readonly python: string;
  readonly parentEnv: { readonly [name: string]: string | undefined };
  readonly extraEnv: { readonly [name: string]: string };
  readonly install: RayInstall;
  readonly containment: Containment;
  readonly tempDir: string;
  readonly logFile: string;
  readonly gcs: GcsStorage;
  readonly tokenFile: string | null;
  /** As workers reach this machine. */
  readonly nodeIp: string;
  /** Where the dashboard listens. */
  readonly dashboardHost: string;
  readonly rayPort: number;
  readonly dashboardPort: number;
  readonly objectStoreBytes: number;
};

export type HeadPlan = { readonly planned: PlannedNode; readonly address: string; readonly dashboardUrl: string };

/** Ports but the two known ones are free ones, picked from the tag so that they are the same after a restart where they still can be. */
export async function planHead(planning: HeadPlanning): Promise<HeadPlan> {
  const { tag, python, parentEnv, extraEnv: extra, tokenFile, containment, nodeIp, dashboardHost, rayPort, dashboardPort } = planning;
  const ports = await chooseFreePorts(NODE_PORT_COUNT + 1, Number.parseInt(tag.slice(0, 8), 16), [rayPort, dashboardPort]);
  const tempDir = join(planning.tempDir, "h");
  mkdirSync(tempDir, { recursive: true, mode: 0o700 });
  const node = { name: "head", address: nodeIp, tempDir, objectStoreBytes: planning.objectStoreBytes };
  const own = { ...nodePorts(ports), client: ports[NODE_PORT_COUNT] ?? 0, gcs: rayPort, dashboard: dashboardPort };
  const argv = headArgv(python, node, own, dashboardHost);
  const env = { ...rayEnv({ parentEnv, python, tag: `${tag}/head`, tokenFile, extra }), ...headEnv(planning.gcs) };
  const spawning = { name: "head", argv, env, cwd: tempDir, logFile: planning.logFile, containment, diesWithUs: true };
  const reached = ["0.0.0.0", "::"].includes(dashboardHost) ? nodeIp : dashboardHost;
  return {
    planned: { name: "head", address: nodeIp, tag: `${tag}/head`, tempDir, spawning },
    address: `${nodeIp}:${rayPort}`,
    dashboardUrl: `http://${reached}:${dashboardPort}`,
  };
}
