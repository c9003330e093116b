import { useQuery } from "@tanstack/react-query";
import { call } from "../api/client.ts";
import { bytes } from "../format.ts";
import { type Key, useWords } from "../i18n/language.ts";
import { visible } from "../text/visible.ts";
import { ErrorFace } from "../ui/faces.tsx";

type Row = { readonly value: string; readonly about: string; readonly fields: readonly string[] };

/** What a TaskSpec can name, each with buttons that put it into the text. */
export function Catalog({ onSet }: { readonly onSet: (field: string, value: string) => void }) {
  const t = useWords();
  const catalog = useQuery({
    queryKey: ["catalog"],
    queryFn: ({ signal }) => call("readCatalog", "GET", "/api/v2/catalog", { signal }),
    staleTime: 60_000,
    retry: 1,
  });
  if (catalog.data === undefined) return catalog.isError ? <ErrorFace error={catalog.error} again={() => void catalog.refetch()} /> : null;
  const { code, models, datasets } = catalog.data;
  const groups: readonly (readonly [title: Key, rows: readonly Row[]])[] = [
    [
      "catalog.code",
      code.map((one) => ({ value: one.path, about: one.verl_version === null ? "" : `verl ${one.verl_version}`, fields: ["code_path"] })),
    ],
    [
      "catalog.models",
      models.map((one) => ({
        value: one.model_id,
        about: one.parameters === null ? "" : `${(one.parameters / 1e9).toPrecision(2)} B`,
        fields: ["model_id"],
      })),
    ],
    [
      "catalog.datasets",
      datasets.map((one) => ({
        value: one.path,
        about: one.problem ?? `${one.rows?.toLocaleString("en") ?? "?"} × ${one.workloads.join(", ") || "–"} · ${bytes(one.bytes)}`,
        fields: ["train_file", "val_file"],
      })),
    ],
  ];
  return (
    <div className="card">
      <h2>{t("catalog.title")}</h2>
      {groups.map(([title, rows]) => (
        <details key={title}>
          <summary>
            {t(title)} <span className="muted">{rows.length}</span>
          </summary>
          <ul className="catalog">
            {rows.map((row) => (
              <li key={row.value}>
                <span className="mono wrap">{visible(row.value)}</span> <span className="muted">{visible(row.about)}</span>
                <span>
                  {row.fields.map((field) => (
                    <button
                      key={field}
                      type="button"
                      className="button small"
                      onClick={() => onSet(field, row.value)}
                      aria-label={t("catalog.use", { field, value: visible(row.value) })}
                    >
                      {field}
                    </button>
                  ))}
                </span>
              </li>
            ))}
          </ul>
        </details>
      ))}
    </div>
  );
}
