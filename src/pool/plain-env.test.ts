import { expect, test } from "vitest";
import { hubEnv, prepareEnv, rayPlainEnv, visibleEnv } from "./plain-env.ts";

const SECRETS = [
  "MVP_INTERNAL_TOKEN",
  "VERLPOOL_TOKEN",
  "VERLPOOL_DATABASE_URL",
  "DATABASE_URL",
  "PGPASSWORD",
  "AWS_SECRET_ACCESS_KEY",
  "AWS_SESSION_TOKEN",
  "GOOGLE_APPLICATION_CREDENTIALS",
  "AZURE_CLIENT_SECRET",
  "RAY_AUTH_TOKEN",
  "GITHUB_TOKEN",
  "WANDB_API_KEY",
  "NVIDIA_API_KEY",
  "NGC_API_KEY",
  "NCCL_NET_API_KEY",
  "LC_SECRET",
  "LD_PRELOAD",
];
const environment = Object.fromEntries(
  [...SECRETS, "HF_TOKEN", "PATH", "HOME", "NCCL_DEBUG", "PIP_INDEX_URL", "https_proxy"].map((name) => [name, `value of ${name}`]),
);

test("no secret of the operator's reaches Ray, pip, the hub's client or the visible environment of a process", () => {
  for (const env of [rayPlainEnv, prepareEnv, hubEnv, visibleEnv].map((take) => take(environment)))
    expect(Object.keys(env).filter((name) => SECRETS.includes(name))).toEqual([]);
});

test("each gets what it needs, and only the hub's client its token", () => {
  expect(Object.keys(rayPlainEnv(environment))).toEqual(["HOME", "NCCL_DEBUG"]);
  expect(Object.keys(prepareEnv(environment))).toEqual(["PATH", "HOME", "NCCL_DEBUG", "PIP_INDEX_URL", "https_proxy"]);
  expect(Object.keys(hubEnv(environment))).toEqual(["HF_TOKEN", "PATH", "HOME", "PIP_INDEX_URL", "https_proxy"]);
  expect(Object.keys(visibleEnv(environment))).toEqual(["PATH", "HOME"]);
});
