import { forwardRef, useImperativeHandle, useLayoutEffect, useReducer, useRef, useState } from "react";
import { useWords } from "../i18n/language.ts";
import { lastState, piecesOf, SHOWN_CHARS } from "./ansi.ts";
import type { LogIndex } from "./log-index.ts";

export const LINE_PX = 18;
/** Browsers stop at some 17 million pixels; a longer log scrolls faster than the hand. */
const MOST_PX = 8_000_000;

export type LogPaneHandle = {
  readonly show: (line: number) => void;
  readonly toEnd: () => void;
  /** The line at the top, with its fraction. */
  readonly top: () => number;
  readonly hold: (line: number) => void;
};

export type LogPaneProps = {
  readonly index: LogIndex;
  readonly version: number;
  readonly label: string;
  readonly marked: number | null;
  readonly found: string;
  readonly sticksToEnd: boolean;
  readonly onLook: (first: number, last: number) => void;
  readonly onScrolledByHand: (isAtEnd: boolean) => void;
};

/** A window on a log: however long it is, only the lines in sight are in the document. */
export const LogPane = forwardRef<LogPaneHandle, LogPaneProps>(function LogPane(props, handle) {
  const { index, version, marked, found, sticksToEnd, onLook, onScrolledByHand } = props;
  const box = useRef<HTMLDivElement>(null);
  const [scrolled, setScrolled] = useState(0);
  const [height, setHeight] = useState(400);
  /** A scroll that we made is not the reader's. */
  const ours = useRef<number | null>(null);
  const lines = index.lines;
  const wanted = lines * LINE_PX;
  const total = Math.min(wanted, MOST_PX);
  const scale = total <= height ? 1 : (wanted - height) / (total - height);
  const top = (scrolled * scale) / LINE_PX;
  const first = Math.max(0, Math.floor(top));
  const count = Math.min(Math.ceil(height / LINE_PX) + 1, Math.max(0, lines - first));

  /** Where to go once the document is as high as the log is now; to a line, or to its end. */
  const goal = useRef<number | null>(null);
  const [, goOn] = useReducer((n: number) => n + 1, 0);
  const aim = (line: number): void => {
    goal.current = Math.max(0, line);
    goOn();
  };
  const scrollTo = (px: number): void => {
    const pane = box.current;
    if (pane === null) return;
    pane.scrollTop = px;
    ours.current = pane.scrollTop;
    setScrolled(pane.scrollTop);
  };
  useLayoutEffect(() => {
    if (goal.current === null) return;
    scrollTo((goal.current * LINE_PX) / scale);
    goal.current = null;
  });
  useImperativeHandle(handle, () => ({
    show: (line) => aim(line - Math.floor(height / LINE_PX / 3)),
    hold: aim,
    toEnd: () => aim(Number.MAX_SAFE_INTEGER),
    top: () => goal.current ?? top,
  }));
  useLayoutEffect(() => {
    const pane = box.current;
    if (pane === null) return;
    const watch = new ResizeObserver(() => setHeight(pane.clientHeight));
    watch.observe(pane);
    setHeight(pane.clientHeight);
    return () => watch.disconnect();
  }, []);
  useLayoutEffect(() => {
    if (sticksToEnd) scrollTo(total);
    // oxlint-disable-next-line react-hooks/exhaustive-deps -- when the log or the pane has changed
  }, [sticksToEnd, total, height, version]);
  useLayoutEffect(() => onLook(first, first + count), [first, count, version, onLook]);

  return (
    <div
      ref={box}
      className="log-pane"
      role="region"
      aria-label={props.label}
      tabIndex={0}
      onScroll={(event) => {
        const pane = event.currentTarget;
        setScrolled(pane.scrollTop);
        const byUs = ours.current !== null && Math.abs(ours.current - pane.scrollTop) < 2;
        ours.current = null;
        if (!byUs) onScrolledByHand(pane.scrollTop + pane.clientHeight >= pane.scrollHeight - LINE_PX);
      }}
    >
      <div className="log-space" style={{ height: total }}>
        <div className="log-window">
          <div style={{ transform: `translateY(${-(top - first) * LINE_PX}px)` }}>
            {Array.from({ length: count }, (_, n) => (
              <LogLine key={n} index={index} number={first + n} isMarked={marked === first + n} found={found} />
            ))}
          </div>
        </div>
      </div>
    </div>
  );
});

function LogLine({
  index,
  number,
  isMarked,
  found,
}: {
  readonly index: LogIndex;
  readonly number: number;
  readonly isMarked: boolean;
  readonly found: string;
}) {
  const t = useWords();
  const line = index.line(number);
  const label = `${line.isExact ? "" : "~"}${number + 1}`;
  return (
    <div className={isMarked ? "log-line marked" : "log-line"} data-line={number + 1} aria-current={isMarked ? "location" : undefined}>
      <span className="log-number" aria-hidden="true">
        {label}
      </span>
      {line.text === null ? (
        <span className="log-unread">…</span>
      ) : (
        <LogText text={line.text} found={found} overwritten={(n) => t("log.overwritten", { n })} />
      )}
    </div>
  );
}

function LogText({
  text,
  found,
  overwritten,
}: {
  readonly text: string;
  readonly found: string;
  readonly overwritten: (n: number) => string;
}) {
  const state = lastState(text);
  const shown = state.text.slice(0, SHOWN_CHARS);
  return (
    <span className="log-text">
      {state.overwritten > 0 ? (
        <span className="log-note" title={overwritten(state.overwritten)}>
          ↺{state.overwritten}{" "}
        </span>
      ) : null}
      {piecesOf(shown).map((piece, n) => (
        <span key={n} className={piece.style === "" ? undefined : piece.style}>
          {marks(piece.text, found)}
        </span>
      ))}
      {state.text.length > SHOWN_CHARS ? <span className="log-note"> … +{state.text.length - SHOWN_CHARS}</span> : null}
    </span>
  );
}

function marks(text: string, found: string) {
  if (found === "") return text;
  const at = text.toLowerCase().indexOf(found.toLowerCase());
  if (at === -1) return text;
  return (
    <>
      {text.slice(0, at)}
      <mark>{text.slice(at, at + found.length)}</mark>
      {text.slice(at + found.length)}
    </>
  );
}
