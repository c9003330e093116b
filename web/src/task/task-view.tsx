import { useQuery } from "@tanstack/react-query";
import { Suspense, lazy } from "react";
import { Link, useParams } from "wouter";
import type { TaskWire } from "../../../src/contract/resources.ts";
import { isTerminal } from "../../../src/domain/task-state.ts";
import { ApiError, call } from "../api/client.ts";
import { type Key, useWords } from "../i18n/language.ts";
import { visible } from "../text/visible.ts";
import { Empty, ErrorFace, Loading } from "../ui/faces.tsx";
import { FilesTab } from "./files-tab.tsx";
import { Overview } from "./overview.tsx";
import { SpecTab } from "./spec-tab.tsx";
import { TaskHeader } from "./task-header.tsx";

const LogTab = lazy(async () => ({ default: (await import("../log/log-tab.tsx")).LogTab }));
const CompareTab = lazy(async () => ({ default: (await import("./compare-tab.tsx")).CompareTab }));
const CurvesTab = lazy(async () => ({ default: (await import("./curves-tab.tsx")).CurvesTab }));

export type TabProps = { readonly task: TaskWire };

const TABS = {
  overview: "tab.overview",
  log: "tab.log",
  curves: "tab.curves",
  files: "tab.files",
  spec: "tab.spec",
  compare: "tab.compare",
} as const satisfies {
  readonly [tab: string]: Key;
};
type Tab = keyof typeof TABS;

const ASK_EVERY_MS = 5_000;

export function TaskView() {
  const t = useWords();
  const { id, tab: wanted = "overview" } = useParams<{ id: string; tab?: string }>();
  const task = useQuery({
    queryKey: ["task", id],
    queryFn: ({ signal }) => call("getTask", "GET", "/api/v2/tasks/{task_id}", { path: { task_id: id }, signal }),
    refetchInterval: (query) => (query.state.data === undefined || isTerminal(query.state.data.state) ? false : ASK_EVERY_MS),
  });
  if (task.data === undefined) {
    if (!task.isError) return <Loading />;
    if (task.error instanceof ApiError && task.error.problem.code === "task_not_found")
      return (
        <Empty isView title={t("task.notFound")}>
          <p>{t("task.notFoundHint", { id: visible(id) })}</p>
          <Link href="/tasks">{t("tasks.showAll")}</Link>
        </Empty>
      );
    return <ErrorFace error={task.error} again={() => void task.refetch()} />;
  }
  const tab: Tab = Object.hasOwn(TABS, wanted) ? (wanted as Tab) : "overview";
  return (
    <article className="task">
      <title>{`${visible(task.data.name ?? task.data.task_id)} · verlpool`}</title>
      <TaskHeader task={task.data} />
      <nav className="tabs" aria-label={t("task.parts")}>
        {(Object.keys(TABS) as Tab[]).map((one) => (
          <Link
            key={one}
            href={one === "overview" ? `/tasks/${id}` : `/tasks/${id}/${one}`}
            aria-current={one === tab ? "page" : undefined}
          >
            {t(TABS[one])}
          </Link>
        ))}
      </nav>
      <Suspense fallback={<Loading />}>
        {tab === "overview" ? <Overview task={task.data} /> : null}
        {tab === "log" ? <LogTab task={task.data} /> : null}
        {tab === "curves" ? <CurvesTab task={task.data} /> : null}
        {tab === "files" ? <FilesTab task={task.data} /> : null}
        {tab === "spec" ? <SpecTab task={task.data} /> : null}
        {tab === "compare" ? <CompareTab task={task.data} /> : null}
      </Suspense>
    </article>
  );
}
