import { useInfiniteQuery } from "@tanstack/react-query";
import { type FormEvent, useId, useState } from "react";
import type { AuditWire } from "../../../src/contract/resources.ts";
import { call } from "../api/client.ts";
import { utc } from "../format.ts";
import { useWords } from "../i18n/language.ts";
import { visible } from "../text/visible.ts";
import { ErrorFace, Loading } from "../ui/faces.tsx";

/** `max_gpus: – → 8 · scope: full`: what was said or changed, flat enough for one cell. */
function detailsOf(data: AuditWire["data"]): string {
  return Object.entries(data)
    .filter(([, value]) => value !== null)
    .map(([key, value]) => `${key}: ${valueOf(value)}`)
    .join(" · ");
}

function valueOf(value: unknown): string {
  if (value === null || value === undefined) return "–";
  if (typeof value === "string") return value;
  if (typeof value === "object" && "from" in value && "to" in value) return `${valueOf(value.from)} → ${valueOf(value.to)}`;
  return JSON.stringify(value);
}

type Filter = { readonly user: string; readonly target: string };

export function Audit() {
  const t = useWords();
  const [userField, targetField] = [useId(), useId()];
  const [typed, setTyped] = useState<Filter>({ user: "", target: "" });
  const [filter, setFilter] = useState<Filter>(typed);
  const audit = useInfiniteQuery({
    queryKey: ["audit", filter],
    initialPageParam: "",
    queryFn: ({ signal, pageParam }) =>
      call("listAudit", "GET", "/api/v2/audit", {
        query: {
          limit: 100,
          cursor: pageParam === "" ? undefined : pageParam,
          user: filter.user === "" ? undefined : filter.user,
          target: filter.target === "" ? undefined : filter.target,
        },
        signal,
      }),
    getNextPageParam: (page) => page.next_cursor as string | null,
  });
  const rows = audit.data?.pages.flatMap((page) => page["audit"] as readonly AuditWire[]) ?? [];
  const find = (event: FormEvent): void => {
    event.preventDefault();
    setFilter({ user: typed.user.trim(), target: typed.target.trim() });
  };
  return (
    <>
      <form className="filters" role="search" onSubmit={find}>
        <span className="field">
          <label htmlFor={userField}>{t("audit.user")}</label>
          <input id={userField} value={typed.user} onChange={(event) => setTyped({ ...typed, user: event.target.value })} />
        </span>
        <span className="field">
          <label htmlFor={targetField}>{t("audit.target")}</label>
          <input id={targetField} value={typed.target} onChange={(event) => setTyped({ ...typed, target: event.target.value })} />
        </span>
        <button type="submit" className="button">
          {t("tasks.find")}
        </button>
      </form>
      {audit.data === undefined ? audit.isError ? <ErrorFace error={audit.error} again={() => void audit.refetch()} /> : <Loading /> : null}
      {audit.data !== undefined && rows.length === 0 ? <p className="muted">{t("audit.none")}</p> : null}
      {rows.length === 0 ? null : (
        <div className="scroll boxed" role="region" tabIndex={0} aria-label={t("admin.audit")}>
          <table className="wide">
            <thead>
              <tr>
                {(["audit.at", "audit.actor", "audit.action", "audit.target", "audit.from", "audit.more"] as const).map((one) => (
                  <th key={one} scope="col">
                    {t(one)}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {rows.map((row) => (
                <tr key={row.id}>
                  <td className="nowrap">
                    <time dateTime={row.at}>{utc(row.at)}</time>
                  </td>
                  <td>{visible(row.actor)}</td>
                  <td className="nowrap">{row.action}</td>
                  <td className="mono nowrap">{visible(row.target)}</td>
                  <td className="mono">{visible(row.from ?? "–")}</td>
                  <td className="small wrap muted details">{visible(detailsOf(row.data))}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {audit.hasNextPage ? (
        <button type="button" className="button" disabled={audit.isFetchingNextPage} onClick={() => void audit.fetchNextPage()}>
          {t("timeline.more")}
        </button>
      ) : null}
    </>
  );
}
