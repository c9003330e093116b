import { useQuery } from "@tanstack/react-query";
import { useId, useState } from "react";
import { call } from "../api/client.ts";
import { useWords } from "../i18n/language.ts";
import { visible } from "../text/visible.ts";
import { ErrorFace, Loading } from "../ui/faces.tsx";

const SPANS = [1, 7, 30] as const;

export function Usage() {
  const t = useWords();
  const field = useId();
  const [days, setDays] = useState<number>(7);
  const usage = useQuery({
    queryKey: ["usage", days],
    queryFn: ({ signal }) => call("readUsage", "GET", "/api/v2/usage", { query: { days }, signal }),
    refetchInterval: 30_000,
  });
  const users = new Map<string, number>();
  for (const row of usage.data?.usage ?? []) users.set(row.user_id, (users.get(row.user_id) ?? 0) + row.gpu_seconds);
  const rows = [...users].toSorted((a, b) => b[1] - a[1]);
  const most = rows[0]?.[1] ?? 0;
  return (
    <section className="card" aria-labelledby="usage-title">
      <div className="plan-head">
        <h2 id="usage-title">{t("usage.title")}</h2>
        <span>
          <label htmlFor={field} className="sr-only">
            {t("usage.span")}
          </label>
          <select id={field} value={days} onChange={(event) => setDays(Number(event.target.value))}>
            {SPANS.map((span) => (
              <option key={span} value={span}>
                {t("usage.days", { n: span })}
              </option>
            ))}
          </select>
        </span>
      </div>
      {usage.data === undefined ? usage.isError ? <ErrorFace error={usage.error} again={() => void usage.refetch()} /> : <Loading /> : null}
      {usage.data !== undefined && rows.length === 0 ? <p className="muted">{t("usage.none")}</p> : null}
      {rows.length === 0 ? null : (
        <table className="usage">
          <caption className="sr-only">{t("usage.title")}</caption>
          <thead className="sr-only">
            <tr>
              <th scope="col">{t("tasks.user")}</th>
              <th scope="col">{t("usage.hours")}</th>
            </tr>
          </thead>
          <tbody>
            {rows.map(([user, seconds]) => (
              <tr key={user}>
                <th scope="row">{visible(user)}</th>
                <td>
                  <meter min={0} max={most || 1} value={seconds} aria-hidden="true" /> {(seconds / 3_600).toFixed(2)} {t("usage.unit")}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </section>
  );
}
