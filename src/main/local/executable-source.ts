/** Where `prepare` gets the single executable from: itself, or a build by the checkout that it runs from. */
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { prepareEnv } from "../../pool/plain-env.ts";
import type { ExecutableSource } from "../../pool/prepare/executable-step.ts";
import { sourceRoot } from "../assets.ts";
import { buildId } from "../build-id.ts";
import type { Environment } from "../load-config.ts";
import { VERSION } from "../version.ts";

const ANOTHER_WAY = "Or run `prepare` with the executable of a release, which copies itself";

export function executableSource(environment: Environment): ExecutableSource {
  if (sourceRoot === null) return { kind: "copy", version: VERSION, build: buildId(), path: process.execPath };
  const checkout = dirname(sourceRoot);
  const script = join(checkout, "scripts", "build-sea.ts");
  const tools = ["esbuild", "postject"].filter((name) => !existsSync(join(checkout, "node_modules", name, "package.json")));
  if (process.platform !== "linux")
    return { kind: "missing", why: `none for the workers, which are Linux: this is ${process.platform}. ${ANOTHER_WAY} on a worker` };
  if (!existsSync(script)) return { kind: "missing", why: `an installed package can't build one. ${ANOTHER_WAY}` };
  if (tools.length > 0)
    return {
      kind: "missing",
      why: `not built, since ${tools.join(" and ")} is not installed: run \`npm ci\` in ${checkout}, without --omit=dev. ${ANOTHER_WAY}`,
    };
  return {
    kind: "build",
    version: VERSION,
    build: buildId(),
    command: process.execPath,
    args: ["--disable-warning=ExperimentalWarning", script, join(sourceRoot, "main", "cli.ts")],
    env: prepareEnv(environment),
  };
}
