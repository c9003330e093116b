import { useWords } from "../i18n/language.ts";
import { visible } from "../text/visible.ts";

export type NodeFitRow = {
  readonly node: string;
  readonly gpus_free: number;
  readonly cpus_free: number;
  readonly fits: boolean;
  readonly why: string | null;
};

/** What each node has free, and whether one part of the gang fits there. */
export function NodeFit({ rows }: { readonly rows: readonly NodeFitRow[] }) {
  const t = useWords();
  if (rows.length === 0) return null;
  return (
    <table>
      <caption className="sr-only">{t("plan.perNode")}</caption>
      <thead>
        <tr>
          <th scope="col">{t("plan.node")}</th>
          <th scope="col">{t("plan.free")}</th>
          <th scope="col">{t("plan.fits")}</th>
        </tr>
      </thead>
      <tbody>
        {rows.map((row) => (
          <tr key={row.node}>
            <th scope="row">{visible(row.node)}</th>
            <td>
              {row.gpus_free} GPU · {row.cpus_free} CPU
            </td>
            <td lang="en">{row.fits ? "✓" : visible(row.why ?? "–")}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
