import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { FakeEnd, FakeStart } from "../support/fake-ray-cluster.ts";
import { startFakeRay } from "../support/fake-ray.ts";
import { describeRayContract, RAY_260 } from "./ray-jobs.contract.ts";

/** Runs the entrypoint for real, as Ray does: in a shell, in a process group of its own, ended by SIGTERM to the group. */
function execEntrypoint({ submission, signal }: FakeStart): Promise<FakeEnd> {
  return new Promise((resolve) => {
    const env = { PATH: process.env["PATH"], ...submission.runtime_env?.env_vars };
    const child = spawn("sh", ["-c", submission.entrypoint], { env, detached: true, stdio: "ignore" });
    const stop = () => child.pid !== undefined && child.exitCode === null && process.kill(-child.pid, "SIGTERM");
    signal.addEventListener("abort", stop, { once: true });
    child.once("exit", (code) => {
      signal.removeEventListener("abort", stop);
      resolve({ exitCode: code ?? -15 });
    });
  });
}

describeRayContract(
  "the fake Ray",
  async () => {
    const dir = mkdtempSync(join(tmpdir(), "fake-ray-"));
    const tokenFile = join(dir, "token");
    writeFileSync(tokenFile, "fake-token");
    const ray = await startFakeRay({ run: execEntrypoint, token: "fake-token" });
    ray.cluster.addNode("worker-1", "127.0.0.3", { CPU: 16, GPU: 4, worker_node: 100 });
    return {
      baseUrl: ray.baseUrl,
      tokenFile,
      token: "fake-token",
      worker: "worker-1",
      napS: 0.05,
      settleMs: 0,
      close: async () => {
        await ray.close();
        rmSync(dir, { recursive: true });
      },
    };
  },
  RAY_260,
);
