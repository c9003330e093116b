import { useEffect, useState } from "react";
import { duration, utc } from "../format.ts";
import { useWords } from "../i18n/language.ts";

/** The time now, every second, in one timer for all that show it. */
const readers = new Set<(now: number) => void>();
let timer: ReturnType<typeof setInterval> | null = null;

export function useNow(): number {
  const [now, setNow] = useState(() => Date.now());
  useEffect(() => {
    readers.add(setNow);
    timer ??= setInterval(() => {
      const at = Date.now();
      for (const reader of readers) reader(at);
    }, 1_000);
    return () => {
      readers.delete(setNow);
      if (readers.size > 0 || timer === null) return;
      clearInterval(timer);
      timer = null;
    };
  }, []);
  return now;
}

/** How long ago or in how long, with the instant itself on hover. */
export function Ago({ at }: { readonly at: string }) {
  const t = useWords();
  const now = useNow();
  const ms = now - Date.parse(at);
  const text = Math.abs(ms) < 5_000 ? t("time.now") : ms >= 0 ? t("time.ago", { d: duration(ms) }) : t("time.in", { d: duration(-ms) });
  return (
    <time dateTime={at} title={utc(at)}>
      {text}
    </time>
  );
}

/** From one instant to another, or to now. */
export function Span({ from, to }: { readonly from: string; readonly to: string | null }) {
  const now = useNow();
  return (
    <span title={`${utc(from)} – ${to === null ? "" : utc(to)}`}>{duration((to === null ? now : Date.parse(to)) - Date.parse(from))}</span>
  );
}
