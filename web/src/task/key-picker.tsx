import { useId, useState } from "react";
import { useWords } from "../i18n/language.ts";
import { visible } from "../text/visible.ts";

/** Which keys are drawn. verl logs some sixty. */
export function KeyPicker({
  keys,
  chosen,
  onChoose,
}: {
  readonly keys: readonly string[];
  readonly chosen: readonly string[];
  readonly onChoose: (keys: readonly string[]) => void;
}) {
  const t = useWords();
  const field = useId();
  const [text, setText] = useState("");
  const shown = keys.filter((key) => key.toLowerCase().includes(text.trim().toLowerCase()));
  return (
    <details className="keys-picker">
      <summary>{t("curves.keys", { chosen: chosen.length, all: keys.length })}</summary>
      <label htmlFor={field} className="sr-only">
        {t("curves.findKey")}
      </label>
      <input id={field} type="search" placeholder={t("curves.findKey")} value={text} onChange={(event) => setText(event.target.value)} />
      <ul className="key-list">
        {shown.map((key) => (
          <li key={key}>
            <label className="check mono">
              <input
                type="checkbox"
                checked={chosen.includes(key)}
                onChange={(event) => onChoose(event.target.checked ? [...chosen, key] : chosen.filter((one) => one !== key))}
              />
              {visible(key)}
            </label>
          </li>
        ))}
      </ul>
    </details>
  );
}
