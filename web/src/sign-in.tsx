import { type FormEvent, useId, useState } from "react";
import { ApiError, call } from "./api/client.ts";
import { connection } from "./api/connection.ts";
import { useWords } from "./i18n/language.ts";
import { useObservable } from "./observable.ts";
import { session } from "./session.ts";
import { Settings } from "./settings.tsx";
import { textOf } from "./ui/faces.tsx";
import { Logo } from "./ui/logo.tsx";

export function SignIn() {
  const t = useWords();
  const field = useId();
  const note = useId();
  const { why } = useObservable(session.state);
  const away = useObservable(connection.isAway);
  const [token, setToken] = useState("");
  const [trying, setTrying] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);

  const tryIt = async (event: FormEvent): Promise<void> => {
    event.preventDefault();
    const wanted = token.trim();
    if (wanted === "" || /[^\x21-\x7e]/.test(wanted)) {
      setProblem(wanted === "" ? t("signIn.empty") : t("signIn.wrong"));
      return;
    }
    setTrying(true);
    setProblem(null);
    try {
      await call("me", "GET", "/api/v2/me", { token: wanted });
      session.begin(wanted);
    } catch (error) {
      setProblem(error instanceof ApiError && error.problem.status === 401 ? t("signIn.wrong") : textOf(error));
      setTrying(false);
    }
  };

  const said = problem ?? (why === "ended" ? t("signIn.ended") : why === "disabled" ? t("signIn.disabled") : null);
  return (
    <main className="lone">
      <title>verlpool</title>
      <form className="card sign-in" onSubmit={(event) => void tryIt(event)}>
        <h1>
          <Logo /> verlpool
        </h1>
        <p className="muted">{t("signIn.what")}</p>
        {said === null ? null : (
          <p className="notice bad" role="alert">
            {said}
          </p>
        )}
        {away && said === null ? (
          <p className="notice" role="status">
            {t("away")}
          </p>
        ) : null}
        <label htmlFor={field}>{t("signIn.token")}</label>
        <input
          id={field}
          type="password"
          value={token}
          onChange={(event) => setToken(event.target.value)}
          autoComplete="off"
          spellCheck={false}
          aria-describedby={note}
          autoFocus
        />
        <p id={note} className="muted small">
          {t("signIn.kept")}
        </p>
        <button type="submit" className="button primary" disabled={trying}>
          {trying ? t("signIn.trying") : t("signIn.go")}
        </button>
      </form>
      <Settings />
    </main>
  );
}
