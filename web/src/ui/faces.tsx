/** What a view shows when it has nothing, nothing yet, or an error. */
import type { ReactNode } from "react";
import { ApiError, Unreachable } from "../api/client.ts";
import { useWords } from "../i18n/language.ts";
import { visible } from "../text/visible.ts";

/** `isView`: it stands for a whole view, so its title is the page's. */
export function Empty({
  title,
  children,
  isView = false,
}: {
  readonly title: string;
  readonly children?: ReactNode;
  readonly isView?: boolean;
}) {
  return (
    <div className="face">
      {isView ? <h1 className="face-title">{title}</h1> : <p className="face-title">{title}</p>}
      {children}
    </div>
  );
}

export function Loading({ what }: { readonly what?: string }) {
  const t = useWords();
  return (
    <div className="face" role="status">
      <span className="spinner" aria-hidden="true" />
      <p>{what ?? t("face.loading")}</p>
    </div>
  );
}

export function ErrorFace({ error, again }: { readonly error: unknown; readonly again?: () => void }) {
  const t = useWords();
  return (
    <div className="face" role="alert">
      <p className="face-title">{titleOf(error, t)}</p>
      <p lang="en">{textOf(error)}</p>
      {again === undefined ? null : (
        <button type="button" className="button" onClick={again}>
          {t("face.again")}
        </button>
      )}
    </div>
  );
}

function titleOf(error: unknown, t: ReturnType<typeof useWords>): string {
  if (error instanceof Unreachable) return t("face.away");
  if (error instanceof ApiError && error.problem.status === 404) return t("face.notFound");
  return t("face.error");
}

/** What the API says, in its own words. */
export function textOf(error: unknown): string {
  if (error instanceof ApiError) {
    const { problem } = error;
    return visible(problem.request_id === undefined ? problem.detail : `${problem.detail} (request ${problem.request_id})`);
  }
  return error instanceof Error ? visible(error.message) : String(error);
}
