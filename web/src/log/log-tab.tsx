import { type FormEvent, useCallback, useEffect, useId, useRef, useState } from "react";
import { useSearch } from "wouter";
import { isAttemptOpen, isTerminal } from "../../../src/domain/task-state.ts";
import { bytes } from "../format.ts";
import { useWords } from "../i18n/language.ts";
import { useShortcuts } from "../shortcuts.ts";
import { Empty, ErrorFace, Loading, textOf } from "../ui/faces.tsx";
import type { TabProps } from "../task/task-view.tsx";
import { LogPane, type LogPaneHandle } from "./log-pane.tsx";
import { PART_BYTES } from "./log-index.ts";
import { readRange } from "./read-range.ts";
import { type Direction, searchLog } from "./search-log.ts";
import { useLog } from "./use-log.ts";

/** A log up to this is read whole, so that its line numbers are exact. */
const READ_WHOLE_BYTES = 4 * 1024 * 1024;

export function LogTab({ task }: TabProps) {
  const t = useWords();
  if (task.attempts === 0)
    return (
      <Empty title={t("log.none")}>
        <p>{t("log.noneHint")}</p>
      </Empty>
    );
  return <Log task={task} />;
}

function Log({ task }: TabProps) {
  const t = useWords();
  const query = new URLSearchParams(useSearch());
  const wantedLine = Number(query.get("line") ?? "0");
  const wantedText = query.get("text") ?? "";
  const [attempt, setAttempt] = useState(task.attempts);
  const isOpen =
    !isTerminal(task.state) &&
    attempt === task.attempts &&
    (task.attempt === null || isAttemptOpen(task.attempt.state) || !isTerminal(task.state));
  const [follows, setFollows] = useState(wantedLine === 0);
  /** By its offset: numbers of lines are guesses that change while more is read. */
  const [marked, setMarked] = useState<number | null>(null);
  const [found, setFound] = useState("");
  const pane = useRef<LogPaneHandle>(null);
  const [attemptId, followId] = [useId(), useId()];

  const held = useRef<((change: () => void) => void) | null>(null);
  const onShift = useCallback((change: () => void): void => (held.current ?? ((act) => act()))(change), []);
  const onNext = useCallback((next: number): void => setAttempt(next), []);
  const log = useLog(task.task_id, attempt, isOpen, onShift, onNext);
  const { index, need } = log;

  held.current = (change) => {
    const top = pane.current?.top() ?? 0;
    const inSight = index.partOfLine(Math.floor(top));
    const [first, lines] = [index.firstLine(inSight), index.firstLine(inSight + 1) - index.firstLine(inSight)];
    change();
    if (follows) return;
    const now = index.firstLine(inSight + 1) - index.firstLine(inSight);
    const within = lines === 0 || lines === now ? top - first : ((top - first) * now) / lines;
    pane.current?.hold(index.firstLine(inSight) + within);
  };

  const onLook = useCallback(
    (first: number, last: number): void => {
      if (index.parts === 0) return;
      void need(index.partOfLine(first));
      void need(index.partOfLine(last));
    },
    [index, need],
  );

  useEffect(() => {
    if (log.isLoading || index.size === 0 || index.size > READ_WHOLE_BYTES) return;
    const readAll = async (): Promise<void> => {
      for (let part = 0; part < index.parts; part += 1) await need(part);
    };
    void readAll();
  }, [index, log.isLoading, need]);

  const jump = useCallback(
    async (offset: number): Promise<void> => {
      setFollows(false);
      const part = Math.floor(offset / PART_BYTES);
      await need(Math.max(0, part - 1));
      await need(part);
      const line = index.lineAt(offset);
      if (line === null) return;
      setMarked(index.line(line).offset);
      pane.current?.show(line);
    },
    [index, need],
  );

  const search = useLogSearch(task.task_id, attempt, index, jump);

  /** To the line that the diagnosis names: by its number where all before it can be counted, else by its text. */
  const hasJumped = useRef(false);
  useEffect(() => {
    if (wantedLine === 0 || hasJumped.current || log.isLoading || index.size === 0) return;
    hasJumped.current = true;
    const go = async (): Promise<void> => {
      if (index.size > READ_WHOLE_BYTES) {
        await search.run(wantedText, "backward", index.size);
        return;
      }
      for (let part = 0; part < index.parts; part += 1) await need(part);
      const line = Math.min(wantedLine, index.lines) - 1;
      setMarked(index.line(line).offset);
      pane.current?.show(line);
    };
    void go();
  }, [wantedLine, wantedText, log.isLoading, index, need, search]);

  return (
    <section className="log" aria-label={t("tab.log")}>
      <div className="log-bar">
        {task.attempts > 1 ? (
          <>
            <label htmlFor={attemptId}>{t("log.attempt")}</label>
            <select id={attemptId} value={attempt} onChange={(event) => setAttempt(Number(event.target.value))}>
              {Array.from({ length: task.attempts }, (_, n) => (
                <option key={n} value={n + 1}>
                  {n + 1}
                </option>
              ))}
            </select>
          </>
        ) : null}
        <SearchBar search={search} top={() => index.line(Math.floor(pane.current?.top() ?? 0)).offset} marked={marked} onText={setFound} />
        {isOpen ? (
          <label className="check" htmlFor={followId}>
            <input id={followId} type="checkbox" checked={follows} onChange={(event) => setFollows(event.target.checked)} />
            {t("log.follow")}
          </label>
        ) : null}
        <button type="button" className="button small" onClick={() => pane.current?.show(0)}>
          {t("log.toStart")}
        </button>
        <button type="button" className="button small" onClick={() => pane.current?.toEnd()}>
          {t("log.toEnd")}
        </button>
        <span className="muted log-size">
          {bytes(index.size)} · {t("log.lines", { n: `${index.isExact(index.parts) ? "" : "~"}${index.lines.toLocaleString("en")}` })}
        </span>
      </div>
      {log.error === null ? null : <ErrorFace error={log.error} again={log.again} />}
      {log.isLoading ? <Loading /> : null}
      {!log.isLoading && index.size === 0 && log.error === null ? <p className="muted">{t("log.empty")}</p> : null}
      <LogPane
        ref={pane}
        index={index}
        version={log.version}
        label={t("log.label", { n: attempt })}
        marked={marked === null ? null : index.lineAt(marked)}
        found={found}
        sticksToEnd={follows}
        onLook={onLook}
        onScrolledByHand={(isAtEnd) => setFollows(isAtEnd)}
      />
    </section>
  );
}

type Search = {
  readonly state: "idle" | "running" | "none" | "found" | { readonly error: unknown };
  readonly looked: number;
  readonly run: (text: string, direction: Direction, from: number) => Promise<void>;
  readonly stop: () => void;
};

function useLogSearch(taskId: string, attempt: number, index: { readonly size: number }, jump: (offset: number) => Promise<void>): Search {
  const [state, setState] = useState<Search["state"]>("idle");
  const [looked, setLooked] = useState(0);
  const running = useRef<AbortController | null>(null);
  useEffect(() => () => running.current?.abort(), []);
  const run = useCallback(
    async (text: string, direction: Direction, from: number): Promise<void> => {
      running.current?.abort();
      if (text === "") return setState("idle");
      const ending = new AbortController();
      running.current = ending;
      setState("running");
      setLooked(0);
      try {
        const read = (offset: number, limit: number) =>
          readRange(taskId, attempt, { offset, limit: Math.min(limit, 1_048_576) }, ending.signal);
        const found = await searchLog(text, from, index.size, direction, read, setLooked);
        if (ending.signal.aborted) return;
        setState(found === null ? "none" : "found");
        if (found !== null) await jump(found);
      } catch (error) {
        if (!ending.signal.aborted) setState({ error });
      }
    },
    [taskId, attempt, index, jump],
  );
  const stop = useCallback((): void => {
    running.current?.abort();
    setState("idle");
  }, []);
  return { state, looked, run, stop };
}

function SearchBar({
  search,
  top,
  marked,
  onText,
}: {
  readonly search: Search;
  readonly top: () => number;
  readonly marked: number | null;
  readonly onText: (text: string) => void;
}) {
  const t = useWords();
  const field = useId();
  const input = useRef<HTMLInputElement>(null);
  const [text, setText] = useState("");
  useShortcuts({ "/": () => input.current?.focus() });
  const go = (direction: Direction): void => {
    onText(text);
    const from = marked ?? top();
    void search.run(text, direction, direction === "forward" && search.state === "found" && marked !== null ? from + 1 : from);
  };
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    go("forward");
  };
  const { state } = search;
  return (
    <form className="log-search" role="search" onSubmit={submit}>
      <label htmlFor={field} className="sr-only">
        {t("log.search")}
      </label>
      <input
        id={field}
        ref={input}
        type="search"
        value={text}
        placeholder={t("log.search")}
        onChange={(event) => setText(event.target.value)}
      />
      <button type="submit" className="button small">
        {t("log.next")}
      </button>
      <button type="button" className="button small" onClick={() => go("backward")}>
        {t("log.previous")}
      </button>
      <span role="status" className="muted">
        {state === "running" ? t("log.searching", { looked: bytes(search.looked) }) : null}
        {state === "none" ? t("log.notFound") : null}
        {typeof state === "object" ? textOf(state.error) : null}
      </span>
      {state === "running" ? (
        <button type="button" className="button small" onClick={search.stop}>
          {t("log.stop")}
        </button>
      ) : null}
    </form>
  );
}
