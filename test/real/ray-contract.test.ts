import { readFileSync } from "node:fs";
import { describeRayContract, RAY_251, RAY_260 } from "../contract/ray-jobs.contract.ts";
import { pythonFrom, startRealRay } from "../support/real-ray.ts";

async function underTest(variable: Parameters<typeof pythonFrom>[0]) {
  const { pool, close } = await startRealRay(pythonFrom(variable));
  const { dashboardUrl: baseUrl, tokenFile, nodes } = pool.describe();
  const token = tokenFile === null ? null : readFileSync(tokenFile, "utf8").trim();
  return { baseUrl, tokenFile, token, worker: nodes[1]?.name ?? "", napS: 1, settleMs: 3_000, close };
}

describeRayContract("Ray 2.60", () => underTest("VERLPOOL_TEST_PYTHON"), RAY_260);
describeRayContract("Ray 2.51.1", () => underTest("VERLPOOL_TEST_PYTHON_RAY251"), RAY_251);
