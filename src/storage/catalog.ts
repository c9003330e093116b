/** Looks through /private/common for what a TaskSpec can name. Links are followed as a submission follows them. Synchronous. */
import { readdirSync, statSync } from "node:fs";
import { CANONICAL_ROOT } from "../domain/storage-layout.ts";
import type { Catalog, CatalogCode, CatalogData, CatalogModel } from "../domain/catalog.ts";
import { absentIsNull, type CommonRoot, readVerlVersion, realCommon } from "./common-directory.ts";
import { readDataFile, readModel } from "./training-inputs.ts";

const COMMON = `${CANONICAL_ROOT}/common`;
/** Directories that are looked into, over all three kinds: a search has an end on any mount. */
const MAX_DIRECTORIES = 500;
const MAX_DEPTH = 4;
/** As a TaskSpec may spell a part of a path. */
const NAME = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,254}$/;
const REPOSITORY = /^models--([A-Za-z0-9][\w.-]*?)--([A-Za-z0-9][\w.-]*)$/;

export function readCatalog(common: CommonRoot): Catalog {
  const budget = { left: MAX_DIRECTORIES };
  const code: CatalogCode[] = [];
  const models: CatalogModel[] = [];
  const datasets: CatalogData[] = [];
  search(common, `${COMMON}/code`, 2, budget, (path, names) => {
    if (!names.has("verl")) return "deeper";
    code.push({ path, verlVersion: readVerlVersion(common, path) });
    return "done";
  });
  search(common, `${COMMON}/models`, MAX_DEPTH, budget, (path, names) => {
    if (!names.has("config.json")) return "deeper";
    const model = readModel(common, path);
    if (model.kind === "read") models.push({ modelId: path, parameters: model.parameters });
    return "done";
  });
  for (const modelId of cachedRepositories(common)) {
    const model = readModel(common, modelId);
    if (model.kind === "read") models.push({ modelId, parameters: model.parameters });
  }
  search(common, `${COMMON}/datasets`, MAX_DEPTH, budget, (path, names) => {
    for (const name of names) {
      const file = `${path}/${name}`;
      const real = name.endsWith(".parquet") && NAME.test(name) ? realCommon(common, file) : null;
      if (real !== null && statSync(real).isFile())
        datasets.push({ path: file, bytes: statSync(real).size, file: readDataFile(common, file) });
    }
    return "deeper";
  });
  return { code, models, datasets, truncated: budget.left < 0 };
}

function search(
  common: CommonRoot,
  path: string,
  depth: number,
  budget: { left: number },
  visit: (path: string, names: ReadonlySet<string>) => "deeper" | "done",
): void {
  const real = realCommon(common, path);
  if (real === null || !statSync(real).isDirectory()) return;
  budget.left -= 1;
  if (budget.left < 0) return;
  const names = (absentIsNull(() => readdirSync(real)) ?? []).toSorted();
  if (visit(path, new Set(names)) === "done" || depth === 0) return;
  for (const name of names) if (NAME.test(name)) search(common, `${path}/${name}`, depth - 1, budget, visit);
}

/** huggingface_hub's layout: `models--org--name`, under `hub` or, as older caches have it, directly in HF_HOME. */
function cachedRepositories(common: CommonRoot): readonly string[] {
  const names = [`${COMMON}/hf/hub`, `${COMMON}/hf`].flatMap((folder) => {
    const real = realCommon(common, folder);
    return real === null ? [] : (absentIsNull(() => readdirSync(real)) ?? []);
  });
  const ids = names.flatMap((name) => {
    const match = REPOSITORY.exec(name);
    return match === null ? [] : [`${match[1]}/${match[2]}`];
  });
  return [...new Set(ids)].toSorted();
}
