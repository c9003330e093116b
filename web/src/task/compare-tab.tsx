import { useQuery } from "@tanstack/react-query";
import { type FormEvent, useId, useState } from "react";
import { Link, useLocation, useSearch } from "wouter";
import type { TaskSummaryWire, TaskWire } from "../../../src/contract/resources.ts";
import { ApiError, call, send } from "../api/client.ts";
import { shortId } from "../format.ts";
import { useWords } from "../i18n/language.ts";
import { visible } from "../text/visible.ts";
import { ErrorFace, Loading } from "../ui/faces.tsx";
import { StateBadge } from "../ui/state-badge.tsx";
import { CompareCurves } from "./compare-curves.tsx";
import { type Row, rowsOf, type Side } from "./compare-rows.ts";
import type { TabProps } from "./task-view.tsx";

/** This task beside another one: what differs, and both curves in one picture. */
export function CompareTab({ task }: TabProps) {
  const other = new URLSearchParams(useSearch()).get("with") ?? "";
  return (
    <>
      <Choose task={task} chosen={other} />
      {other === "" ? null : <Compared key={other} task={task} otherId={other} />}
    </>
  );
}

const SUGGESTED = 8;

function Choose({ task, chosen }: TabProps & { readonly chosen: string }) {
  const t = useWords();
  const [, go] = useLocation();
  const field = useId();
  const [text, setText] = useState(chosen);
  const recent = useQuery({
    queryKey: ["task", task.task_id, "compare", "recent"],
    queryFn: ({ signal }) =>
      call("listTasks", "GET", "/api/v2/tasks", { query: { workload: task.workload, limit: SUGGESTED + 1 }, signal }),
  });
  const others = ((recent.data?.tasks ?? []) as readonly TaskSummaryWire[])
    .filter((one) => one.task_id !== task.task_id)
    .slice(0, SUGGESTED);
  const find = (event: FormEvent): void => {
    event.preventDefault();
    if (text.trim() !== "") go(`/tasks/${task.task_id}/compare?with=${encodeURIComponent(text.trim())}`);
  };
  return (
    <form className="filters" role="search" onSubmit={find}>
      <span className="field">
        <label htmlFor={field}>{t("compare.with")}</label>
        <input
          id={field}
          className="mono task-id"
          list={`${field}-list`}
          value={text}
          placeholder={t("compare.hint")}
          onChange={(event) => setText(event.target.value)}
        />
        <datalist id={`${field}-list`}>
          {others.map((one) => (
            <option key={one.task_id} value={one.task_id}>
              {visible(one.name ?? shortId(one.task_id))}
            </option>
          ))}
        </datalist>
      </span>
      <button type="submit" className="button">
        {t("tab.compare")}
      </button>
      {chosen === "" ? (
        <span className="parted">
          {others.map((one) => (
            <Link key={one.task_id} href={`/tasks/${task.task_id}/compare?with=${one.task_id}`}>
              {visible(one.name ?? shortId(one.task_id))}
            </Link>
          ))}
        </span>
      ) : null}
    </form>
  );
}

function Compared({ task, otherId }: TabProps & { readonly otherId: string }) {
  const t = useWords();
  const sides = useQuery({
    queryKey: ["task", task.task_id, "compare", otherId],
    queryFn: async ({ signal }) => {
      const other = await call("getTask", "GET", "/api/v2/tasks/{task_id}", { path: { task_id: otherId }, signal });
      return [await sideOf(task, signal), await sideOf(other, signal)] as const;
    },
  });
  const [all, setAll] = useState(false);
  if (sides.data === undefined) return sides.isError ? <ErrorFace error={sides.error} again={() => void sides.refetch()} /> : <Loading />;
  const [a, b] = sides.data;
  const rows = rowsOf(a, b);
  const differing = rows.filter((row) => row.a !== row.b);
  const shown = all ? rows : differing;
  return (
    <>
      <CompareCurves a={a.task} b={b.task} />
      <section className="card" aria-labelledby="compare-title">
        <div className="plan-head">
          <h2 id="compare-title">{t("compare.differs", { n: differing.length })}</h2>
          <label className="check">
            <input type="checkbox" checked={all} onChange={(event) => setAll(event.target.checked)} />
            {t("compare.all", { n: rows.length - differing.length })}
          </label>
        </div>
        {shown.length === 0 ? <p className="muted">{t("compare.same")}</p> : <Rows rows={shown} a={a.task} b={b.task} />}
      </section>
    </>
  );
}

function Rows({ rows, a, b }: { readonly rows: readonly Row[]; readonly a: TaskWire; readonly b: TaskWire }) {
  const t = useWords();
  return (
    <div className="scroll" role="group" tabIndex={0} aria-label={t("tab.compare")}>
      <table className="compare">
        <thead>
          <tr>
            <th scope="col">{t("compare.part")}</th>
            <th scope="col">{t("compare.what")}</th>
            {[a, b].map((one) => (
              <th key={one.task_id} scope="col">
                <Link href={`/tasks/${one.task_id}`}>{visible(one.name ?? shortId(one.task_id))}</Link> <StateBadge state={one.state} />
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row, n) => (
            <tr key={`${row.part} ${row.key}`}>
              <td className="muted nowrap">{rows[n - 1]?.part === row.part ? "" : t(`compare.${row.part}`)}</td>
              <th scope="row" className="mono wrap">
                {visible(row.key)}
              </th>
              {[row.a, row.b].map((value, side) => (
                <td key={side} className={row.a === row.b ? "mono wrap muted" : "mono wrap"}>
                  {value === null ? "–" : visible(value)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** With the settings of its newest attempt, where its files still tell them. */
async function sideOf(task: TaskWire, signal: AbortSignal): Promise<Side> {
  if (task.attempts === 0) return { task, argv: [] };
  const path = { task_id: task.task_id, path: `a${String(task.attempts).padStart(2, "0")}/config/argv.json` };
  try {
    const argv: unknown = await (await send("readArtifact", "GET", "/api/v2/tasks/{task_id}/artifacts/{path}", { path, signal })).json();
    return { task, argv: Array.isArray(argv) ? argv.filter((word) => typeof word === "string") : [] };
  } catch (error) {
    if (error instanceof ApiError && (error.problem.status === 404 || error.problem.status === 503)) return { task, argv: [] };
    throw error;
  }
}
