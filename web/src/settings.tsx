import { useId } from "react";
import { type Key, setLanguage, useLanguage } from "./i18n/language.ts";
import { useObservable } from "./observable.ts";
import { setTheme, theme, THEMES, type Theme } from "./theme.ts";

const THEME_WORDS: { readonly [one in Theme]: Key } = { auto: "theme.auto", light: "theme.light", dark: "theme.dark" };

export function Settings() {
  const { t, language } = useLanguage();
  const chosen = useObservable(theme);
  const [themeId, languageId] = [useId(), useId()];
  return (
    <div className="settings">
      <label className="sr-only" htmlFor={themeId}>
        {t("theme")}
      </label>
      <select id={themeId} value={chosen} onChange={(event) => setTheme(THEMES.find((one) => one === event.target.value) ?? "auto")}>
        {THEMES.map((one) => (
          <option key={one} value={one}>
            {t(THEME_WORDS[one])}
          </option>
        ))}
      </select>
      <label className="sr-only" htmlFor={languageId}>
        {t("language")}
      </label>
      <select id={languageId} value={language} onChange={(event) => setLanguage(event.target.value === "zh" ? "zh" : "en")}>
        <option value="en" lang="en">
          English
        </option>
        <option value="zh" lang="zh-CN">
          中文
        </option>
      </select>
    </div>
  );
}
