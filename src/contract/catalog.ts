/** What a TaskSpec can name, on the wire. */
import { z } from "zod";
import { type Catalog, workloadsOf } from "../domain/catalog.ts";

export const CatalogWire = z
  .object({
    code: z.array(
      z.object({ path: z.string(), verl_version: z.string().nullable() }).meta({ id: "CatalogCode", description: "For code_path" }),
    ),
    models: z.array(
      z.object({ model_id: z.string(), parameters: z.int().nullable() }).meta({ id: "CatalogModel", description: "For model_id" }),
    ),
    datasets: z.array(
      z
        .object({
          path: z.string(),
          bytes: z.int(),
          rows: z.int().nullable(),
          workloads: z.array(z.string()).meta({ description: "Those it has the columns for, by verl's own names" }),
          columns: z.array(z.string()),
          problem: z.string().nullable().meta({ description: "Why it can't be read" }),
        })
        .meta({ id: "CatalogDataset", description: "For train_file and val_file" }),
    ),
    truncated: z.boolean().meta({ description: "There is more than was looked at" }),
  })
  .meta({ id: "Catalog" });
export type CatalogWire = z.infer<typeof CatalogWire>;

export function renderCatalog({ code, models, datasets, truncated }: Catalog): CatalogWire {
  return {
    code: code.map(({ path, verlVersion }) => ({ path, verl_version: verlVersion })),
    models: models.map(({ modelId, parameters }) => ({ model_id: modelId, parameters })),
    datasets: datasets.map(({ path, bytes, file }) => ({
      path,
      bytes,
      rows: file.kind === "parquet" ? file.rows : null,
      workloads: [...workloadsOf(file)],
      columns: file.kind === "parquet" ? file.columns.map(({ name }) => name) : [],
      problem: file.kind === "parquet" ? null : file.why,
    })),
    truncated,
  };
}
