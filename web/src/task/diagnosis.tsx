import { Link } from "wouter";
import type { WhyWire } from "../../../src/contract/insight.ts";
import { known, useWords } from "../i18n/language.ts";
import { visible } from "../text/visible.ts";
import type { TabProps } from "./task-view.tsx";

/** Why it died: what was seen, what it means, what to do. The words are the server's. */
export function Diagnosis({ task, why }: TabProps & { readonly why: WhyWire | null }) {
  const t = useWords();
  const failure = why?.failed ?? task.failure;
  if (failure === null) return null;
  const evidence = why?.failed?.evidence ?? [];
  const [first] = evidence;
  return (
    <section className="card diagnosis" aria-labelledby="diagnosis-title">
      <h2 id="diagnosis-title">{t("diagnosis.title")}</h2>
      <p className="labels">
        <span className="label bad">{visible(failure.label)}</span>
        <span className="label">{t("diagnosis.blame", { blame: known(t, "blame", failure.blame) })}</span>
        <span className="label">{t(failure.retryable ? "diagnosis.retryable" : "diagnosis.final")}</span>
      </p>
      <p lang="en">{visible(failure.text)}</p>
      {why?.failed == null || why.failed.explanation === failure.text ? null : <p lang="en">{visible(why.failed.explanation)}</p>}
      {evidence.length === 0 ? null : (
        <pre className="evidence" tabIndex={0} aria-label={t("diagnosis.evidence")}>
          {evidence.map((line) => `${line.line === null ? "" : `${line.line}: `}${visible(line.text)}`).join("\n")}
        </pre>
      )}
      <p className="fix" lang="en">
        <strong>{t("diagnosis.fix")}</strong> {visible(failure.fix)}
      </p>
      {task.attempt === null ? null : (
        <p>
          <Link
            className="button"
            href={
              first?.line == null
                ? `/tasks/${task.task_id}/log`
                : `/tasks/${task.task_id}/log?line=${first.line}&text=${encodeURIComponent(first.text.slice(0, 200))}`
            }
          >
            {t("diagnosis.toLine")}
          </Link>
        </p>
      )}
    </section>
  );
}
