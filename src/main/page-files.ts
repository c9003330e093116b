/** The built web page of this program; in a checkout it is built when it is missing or older than its sources. */
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import type { Log } from "../control/ports.ts";
import type { LoadPage, PageFiles } from "../http/page-routes.ts";
import { assetBytes, assetNames, sourceRoot } from "./assets.ts";
import { visibleEnv } from "../pool/plain-env.ts";

/** A second on a quiet machine. */
const BUILD_MS = 60_000;

/** One build and one reading for all who ask; a failure is logged, and tried again when somebody asks again. */
export function pageFiles(log: Log): LoadPage {
  let loading: Promise<PageFiles | null> | null = null;
  return async () => {
    loading ??= load(log);
    const files = await loading;
    if (files === null) loading = null;
    return files;
  };
}

async function load(log: Log): Promise<PageFiles | null> {
  await buildInCheckout(log);
  const names = assetNames("web");
  return names.length === 0 ? null : new Map(names.map((name) => [name.slice("web/".length), assetBytes(name)]));
}

async function buildInCheckout(log: Log): Promise<void> {
  if (sourceRoot === null) return;
  const script = join(sourceRoot, "..", "scripts", "build-web.ts");
  if (!existsSync(script)) return;
  try {
    await promisify(execFile)(process.execPath, ["--disable-warning=ExperimentalWarning", script, "--if-needed"], {
      timeout: BUILD_MS,
      env: visibleEnv(process.env),
    });
  } catch (error) {
    log.warn({ error: error instanceof Error ? error.message : String(error) }, "the web page could not be built; run npm run build:web");
  }
}
