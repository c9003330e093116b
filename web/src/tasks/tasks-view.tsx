import { type FormEvent, useCallback, useEffect, useId, useLayoutEffect, useRef, useState } from "react";
import { Link, useLocation, useSearch } from "wouter";
import type { TaskState } from "../../../src/domain/types.ts";
import { TASK_STATES } from "../../../src/domain/task-state.ts";
import { type Key, useWords } from "../i18n/language.ts";
import { mayWrite, useMe } from "../me.ts";
import { useShortcuts } from "../shortcuts.ts";
import { Empty, ErrorFace, Loading } from "../ui/faces.tsx";
import { PHONE, useMedia } from "../ui/media.ts";
import { WindowList } from "../ui/virtual-list.tsx";
import { type Filter, readFilter, WORKLOADS, writeFilter } from "./filter.ts";
import { rowAt, rowCount } from "./task-pages.ts";
import { TaskRow } from "./task-row.tsx";
import { useTaskList } from "./use-task-list.ts";

const ROW_PX = 34;
const PHONE_ROW_PX = 60;

export function TasksView() {
  const t = useWords();
  const me = useMe();
  const filter = readFilter(useSearch());
  const list = useTaskList(filter);
  const isPhone = useMedia(PHONE);
  const count = rowCount(list.pages);
  const withUser = me.role === "admin";
  const box = useRef<HTMLDivElement>(null);
  const rowPx = isPhone ? PHONE_ROW_PX : ROW_PX;
  useRowKeys(box, count);
  useStillness(box, list.added, rowPx);
  const row = useCallback(
    (index: number) => {
      const task = rowAt(list.pages, index);
      return task === null ? (
        <div role="row" className="task-row blank" aria-hidden="true" />
      ) : (
        <TaskRow task={task} index={index} withUser={withUser} />
      );
    },
    [list.pages, withUser],
  );
  const isFiltered = writeFilter(filter) !== "/tasks";
  return (
    <div className="tasks">
      <title>{`${t("nav.tasks")} · verlpool`}</title>
      <div className="view-head">
        <h1>{t("nav.tasks")}</h1>
        {mayWrite(me) ? (
          <Link href="/new" className="button primary">
            {t("nav.new")}
          </Link>
        ) : null}
      </div>
      <Filters filter={filter} withUser={withUser} />
      <div
        ref={box}
        hidden={count === 0}
        role="table"
        aria-label={t("nav.tasks")}
        aria-rowcount={list.more ? -1 : count + 1}
        className={withUser ? "task-table with-user" : "task-table"}
      >
        <div role="rowgroup" className="task-head">
          <div role="row" className="task-row" aria-rowindex={1}>
            <Head k="tasks.state" c="c-state" />
            <Head k="tasks.name" c="c-name" />
            <Head k="tasks.workload" c="c-workload" />
            {withUser ? <Head k="tasks.user" c="c-user" /> : null}
            <Head k="tasks.doing" c="c-doing" />
            <Head k="tasks.age" c="c-age" />
            <Head k="tasks.duration" c="c-duration" />
          </div>
        </div>
        {count === 0 ? null : <WindowList count={list.more ? count + 1 : count} rowHeight={rowPx} row={row} onLook={list.look} />}
      </div>
      {list.error !== null ? <ErrorFace error={list.error} again={list.again} /> : null}
      {count === 0 && list.isLoading ? <Loading /> : null}
      {count === 0 && !list.isLoading && list.error === null ? (
        isFiltered ? (
          <Empty title={t("tasks.noneFiltered")}>
            <Link href="/tasks">{t("tasks.showAll")}</Link>
          </Empty>
        ) : (
          <Empty title={t("tasks.none")}>
            <p>{t("tasks.noneHint")}</p>
            <Link href="/new" className="button primary">
              {t("nav.new")}
            </Link>
          </Empty>
        )
      ) : null}
    </div>
  );
}

function Head({ k, c }: { readonly k: Key; readonly c: string }) {
  const t = useWords();
  return (
    <span role="columnheader" className={c}>
      {t(k)}
    </span>
  );
}

/** New rows come at the top; whoever reads further down goes on reading the same. */
function useStillness(box: { readonly current: HTMLElement | null }, added: number, rowPx: number): void {
  const before = useRef(added);
  useLayoutEffect(() => {
    const rows = added - before.current;
    before.current = added;
    if (rows > 0 && window.scrollY > (box.current?.offsetTop ?? 0)) window.scrollBy(0, rows * rowPx);
  }, [added, box, rowPx]);
}

/** j and k go from row to row; Enter opens, since each row is a link. */
function useRowKeys(box: { readonly current: HTMLElement | null }, count: number): void {
  const move = (by: number): void => {
    const active = document.activeElement instanceof HTMLElement ? Number(document.activeElement.dataset["row"] ?? "-1") : -1;
    const wanted = Math.min(Math.max(active + by, 0), count - 1);
    const find = (): HTMLElement | null => box.current?.querySelector<HTMLElement>(`[data-row="${wanted}"]`) ?? null;
    const found = find();
    found?.focus({ preventScroll: true });
    found?.scrollIntoView({ block: "nearest" });
  };
  useShortcuts({ j: () => move(1), k: () => move(-1) });
}

const GROUP_WORDS: readonly (readonly [value: string, key: Key])[] = [
  ["", "filter.all"],
  ["open", "filter.open"],
  ["running", "filter.running"],
  ["waiting", "filter.waiting"],
];
const ENDED: readonly TaskState[] = ["SUCCEEDED", "FAILED", "CANCELED"];

function Filters({ filter, withUser }: { readonly filter: Filter; readonly withUser: boolean }) {
  const t = useWords();
  const [, go] = useLocation();
  const [stateId, workloadId, userId, searchId] = [useId(), useId(), useId(), useId()];
  const search = useRef<HTMLInputElement>(null);
  const [text, setText] = useState(filter.search);
  const [user, setUser] = useState(filter.user);
  useEffect(() => setText(filter.search), [filter.search]);
  useEffect(() => setUser(filter.user), [filter.user]);
  useShortcuts({ "/": () => search.current?.focus() });
  const change = (part: Partial<Filter>): void => go(writeFilter({ ...filter, ...part }), { replace: true });
  const find = (event: FormEvent): void => {
    event.preventDefault();
    change({ search: text.trim(), user: user.trim() });
  };
  return (
    <form className="filters" role="search" onSubmit={find}>
      <span className="field">
        <label htmlFor={stateId}>{t("tasks.state")}</label>
        <select id={stateId} value={filter.state} onChange={(event) => change({ state: event.target.value })}>
          {GROUP_WORDS.map(([value, key]) => (
            <option key={value} value={value}>
              {t(key)}
            </option>
          ))}
          {TASK_STATES.filter((state) => ENDED.includes(state) || state === filter.state).map((state) => (
            <option key={state} value={state}>
              {t(`state.${state}`)}
            </option>
          ))}
        </select>
      </span>
      <span className="field">
        <label htmlFor={workloadId}>{t("tasks.workload")}</label>
        <select
          id={workloadId}
          value={filter.workload}
          onChange={(event) => change({ workload: WORKLOADS.find((one) => one === event.target.value) ?? "" })}
        >
          <option value="">{t("filter.all")}</option>
          {WORKLOADS.map((one) => (
            <option key={one} value={one}>
              {one}
            </option>
          ))}
        </select>
      </span>
      {withUser ? (
        <span className="field">
          <label htmlFor={userId}>{t("tasks.user")}</label>
          <input
            id={userId}
            className="short"
            value={user}
            onChange={(event) => setUser(event.target.value)}
            onBlur={() => change({ user: user.trim() })}
          />
        </span>
      ) : null}
      <label htmlFor={searchId} className="sr-only">
        {t("tasks.search")}
      </label>
      <input
        id={searchId}
        ref={search}
        type="search"
        className="grow"
        placeholder={t("tasks.searchHint")}
        value={text}
        onChange={(event) => setText(event.target.value)}
      />
      <button type="submit" className="button">
        {t("tasks.find")}
      </button>
    </form>
  );
}
