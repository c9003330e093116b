import { useMutation } from "@tanstack/react-query";
import { type ReactNode, useId, useState } from "react";
import { useWords } from "../i18n/language.ts";
import { Dialog } from "./dialog.tsx";
import { textOf } from "./faces.tsx";

export type ActionProps = {
  readonly label: string;
  /** Null = possible; else why not, shown beside the button that stays in its place. */
  readonly whyNot?: string | null;
  /** Asked before it is done. */
  readonly question: string;
  readonly explanation?: ReactNode;
  readonly danger?: boolean;
  readonly run: () => Promise<unknown>;
};

/** A button that asks first, says what went wrong, and is disabled with a reason. */
export function Action({ label, whyNot = null, question, explanation, danger = false, run }: ActionProps) {
  const t = useWords();
  const reason = useId();
  const [asking, setAsking] = useState(false);
  const work = useMutation({ mutationFn: run, onSuccess: () => setAsking(false) });
  const close = (): void => {
    work.reset();
    setAsking(false);
  };
  return (
    <>
      <button
        type="button"
        className={danger ? "button danger" : "button"}
        aria-disabled={whyNot !== null}
        aria-describedby={whyNot === null ? undefined : reason}
        title={whyNot ?? undefined}
        onClick={() => (whyNot === null ? setAsking(true) : undefined)}
      >
        {label}
      </button>
      {whyNot === null ? null : (
        <span id={reason} className="sr-only">
          {whyNot}
        </span>
      )}
      {asking ? (
        <Dialog title={question} onClose={close}>
          {explanation}
          {work.isError ? (
            <p className="bad" role="alert" lang="en">
              {textOf(work.error)}
            </p>
          ) : null}
          <div className="dialog-buttons">
            <button type="button" className="button" onClick={close}>
              {t("action.back")}
            </button>
            <button
              type="button"
              className={danger ? "button primary danger" : "button primary"}
              disabled={work.isPending}
              onClick={() => work.mutate()}
            >
              {label}
            </button>
          </div>
        </Dialog>
      ) : null}
    </>
  );
}
