/** The cluster of the scripts: a server, a head and workers with logical GPUs, all on this machine, by `verlpool start`. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { chooseFreePorts } from "../../src/pool/free-ports.ts";
import { readApiFile } from "../../src/storage/api-file.ts";
import type { Report } from "./report.ts";
import type { CaseSettings } from "./settings.ts";
import { type Verlpool, verlpool } from "./verlpool.ts";

export const CLUSTER = "default";
/** PPO of the demo asks for 10 logical CPUs a GPU. */
const CPUS_PER_GPU = 28;

export type Cluster = {
  readonly settings: CaseSettings;
  readonly command: Verlpool;
  readonly url: () => string;
  readonly codePath: () => string;
  readonly startHead: () => Promise<void>;
  readonly startWorker: (index: number, gpus?: number) => Promise<void>;
};

/** `tuning`: configuration by environment, for the server, the head and the workers alike. */
export async function makeCluster(settings: CaseSettings, tuning: { readonly [name: string]: string }): Promise<Cluster> {
  const { root, token } = settings;
  const command = verlpool({
    ...tuning,
    MVP_INTERNAL_TOKEN: token,
    VERLPOOL_ROOT: root,
    VERLPOOL_POOL_CLUSTER: CLUSTER,
    // What `verlpool login` kept is of another server.
    VERLPOOL_URL: "",
    VERLPOOL_TOKEN: "",
  });
  const [rayPort = 0, dashboardPort = 0] = await chooseFreePorts(2, process.pid);
  const workerName = (index: number): string => `case-worker-${index}`;
  const workerFlags = (index: number): readonly string[] => ["--root", root, "--node-name", workerName(index)];
  return {
    settings,
    command,
    url: () => readApiFile(root, CLUSTER)?.url ?? "",
    codePath: () => preparedOf(root).codePath,
    startHead: async () => {
      const ports = ["--ray-port", String(rayPort), "--dashboard-port", String(dashboardPort)];
      await command.run("start", "head", "--root", root, "--node-ip", "127.0.0.2", "--host", "127.0.0.1", ...ports);
    },
    startWorker: async (index, gpus = settings.gpusPerWorker) => {
      const shape = ["--num-gpus", String(gpus), "--num-cpus", String(CPUS_PER_GPU * gpus), "--object-store-mib", "100"];
      await command.run("start", "worker", ...workerFlags(index), "--node-ip", `127.0.0.${index + 2}`, ...shape);
    },
  };
}

function preparedOf(root: string): { readonly codePath: string; readonly pythonPath: string } {
  return JSON.parse(readFileSync(join(root, "common/verlpool/prepared.json"), "utf8")) as { codePath: string; pythonPath: string };
}

/** Clean, reset where asked for, prepare, head, workers, server. */
export async function rebuild(cluster: Cluster, report: Report): Promise<void> {
  const { settings, command } = cluster;
  const { root } = settings;
  await report.need("clean", async () => {
    const said = await command.run("clean", "--root", root);
    return `${said.trim().split("\n").length} lines`;
  });
  if (settings.resetDb) {
    await report.need("reset the database", async () => {
      await command.run("reset-db", "--root", root, ...(settings.cancelTasks ? ["--cancel-tasks"] : []));
      return "";
    });
  }
  await report.need("prepare", async () => {
    const python = settings.existingPython === null ? [] : ["--existing-python", settings.existingPython];
    await command.run("prepare", "--root", root, "--no-executable", ...python);
    return cluster.codePath();
  });
  await report.need("start the API", async () => {
    await command.run("start", "server", "--dev", "--root", root, "--port", "0");
    return cluster.url();
  });
  await report.need("start the head and the workers", async () => {
    await cluster.startHead();
    for (let index = 1; index <= settings.workers; index += 1) await cluster.startWorker(index);
    return `${settings.workers} workers`;
  });
}
