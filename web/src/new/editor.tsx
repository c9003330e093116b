import { forwardRef, type KeyboardEvent, useId, useImperativeHandle, useRef } from "react";
import type { FieldError } from "../../../src/contract/problem.ts";
import { useWords } from "../i18n/language.ts";

export type EditorHandle = { readonly goTo: (line: number, column: number) => void };

export type EditorProps = {
  readonly label: string;
  readonly value: string;
  readonly onChange: (value: string) => void;
  readonly errors: readonly FieldError[];
  readonly onSubmit: () => void;
};

/** The browser's own text field, which every reader and input method knows, beside line numbers that say where something is wrong. */
export const Editor = forwardRef<EditorHandle, EditorProps>(function Editor({ label, value, onChange, errors, onSubmit }, handle) {
  const t = useWords();
  const [field, note] = [useId(), useId()];
  const area = useRef<HTMLTextAreaElement>(null);
  const gutter = useRef<HTMLDivElement>(null);
  const lines = value.split("\n");
  const bad = new Map(errors.flatMap((error) => (error.line === null ? [] : [[error.line, error.message] as const])));
  useImperativeHandle(handle, () => ({
    goTo: (line, column) => {
      const at = lines.slice(0, line - 1).reduce((sum, one) => sum + one.length + 1, 0) + column - 1;
      area.current?.focus();
      area.current?.setSelectionRange(at, at + Math.max(0, (lines[line - 1]?.length ?? 0) - column + 1));
    },
  }));
  const onKey = (event: KeyboardEvent): void => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
    event.preventDefault();
    onSubmit();
  };
  return (
    <div className="editor">
      <label htmlFor={field}>{label}</label>
      <p id={note} className="muted small">
        {t("new.editorNote")}
      </p>
      <div className="editor-box">
        <div ref={gutter} className="gutter" aria-hidden="true">
          {lines.map((_, n) => (
            <div key={n} className={bad.has(n + 1) ? "bad-line" : undefined} title={bad.get(n + 1)}>
              {n + 1}
            </div>
          ))}
        </div>
        <textarea
          id={field}
          className="yaml"
          ref={area}
          value={value}
          rows={Math.min(Math.max(lines.length + 1, 12), 34)}
          wrap="off"
          spellCheck={false}
          autoCapitalize="off"
          autoComplete="off"
          aria-describedby={note}
          aria-invalid={errors.length > 0}
          onChange={(event) => onChange(event.target.value)}
          onKeyDown={onKey}
          onScroll={(event) => {
            if (gutter.current !== null) gutter.current.scrollTop = event.currentTarget.scrollTop;
          }}
        />
      </div>
    </div>
  );
});
