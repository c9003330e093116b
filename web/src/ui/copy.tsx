import { useState } from "react";
import { useWords } from "../i18n/language.ts";
import { Icon } from "./icon.tsx";

/** Copies a text; says so to all who can't see it change. */
export function Copy({ text, what }: { readonly text: string; readonly what: string }) {
  const t = useWords();
  const [done, setDone] = useState<"yes" | "no" | null>(null);
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(text);
      setDone("yes");
    } catch {
      // Browsers offer the clipboard over TLS and on this machine only.
      setDone("no");
    }
  };
  return (
    <span className="copy">
      <button type="button" className="button small quiet" aria-label={t("copy.what", { what })} onClick={() => void copy()}>
        <Icon name="copy" />
        <span className="word">{t("copy")}</span>
      </button>
      <span role="status" className="muted">
        {done === "yes" ? t("copy.done") : done === "no" ? t("copy.failed") : ""}
      </span>
    </span>
  );
}
