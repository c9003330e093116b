import { type ReactNode, useEffect, useRef, useState } from "react";
import { Link, useLocation } from "wouter";
import { connection } from "./api/connection.ts";
import { liveness } from "./api/live.ts";
import { type Key, useWords } from "./i18n/language.ts";
import { useMe } from "./me.ts";
import { useObservable } from "./observable.ts";
import { session } from "./session.ts";
import { Settings } from "./settings.tsx";
import { areOn, setShortcuts, useShortcuts } from "./shortcuts.ts";
import { Dialog } from "./ui/dialog.tsx";
import { Logo } from "./ui/logo.tsx";

const PLACES: readonly { readonly path: string; readonly key: Key; readonly admin?: true }[] = [
  { path: "/tasks", key: "nav.tasks" },
  { path: "/new", key: "nav.new" },
  { path: "/pool", key: "nav.pool" },
  { path: "/admin", key: "nav.admin", admin: true },
];

export function Shell({ children }: { readonly children: ReactNode }) {
  const t = useWords();
  const me = useMe();
  const [path, go] = useLocation();
  const [helping, setHelping] = useState(false);
  const main = useRef<HTMLElement>(null);
  const place = path === "/" ? "/tasks" : path;
  const places = PLACES.filter((one) => one.admin !== true || me.role === "admin");
  useShortcuts({ c: () => go("/new"), t: () => go("/tasks"), p: () => go("/pool"), "?": () => setHelping(true) });
  const cameFrom = useRef(path);
  useEffect(() => {
    // Its answer is a promise in newer browsers, which React would take for a clean-up.
    window.scrollTo(0, 0);
    if (cameFrom.current === path) return;
    cameFrom.current = path;
    // What had the focus has gone with the view before: the next Tab goes on from the new one, and readers say it.
    if (document.activeElement === document.body) main.current?.focus({ preventScroll: true });
  }, [path]);
  return (
    <>
      <a
        className="skip"
        href="#content"
        onClick={(event) => {
          event.preventDefault();
          main.current?.focus();
        }}
      >
        {t("nav.skip")}
      </a>
      <header className="top">
        <Link href="/tasks" className="brand" aria-label={t("nav.home")}>
          <Logo />
          <span className="brand-name">verlpool</span>
        </Link>
        <nav aria-label={t("nav.name")}>
          {places.map((one) => (
            <Link key={one.path} href={one.path} aria-current={place.startsWith(one.path) ? "page" : undefined}>
              {t(one.key)}
            </Link>
          ))}
        </nav>
        <div className="top-end">
          <LiveSign />
          <span className="who" title={me.jobs_dir ?? undefined}>
            {me.role === "admin" ? t("who.admin") : (me.user_id ?? "")}
          </span>
          <Settings />
          <button type="button" className="button small" onClick={() => setHelping(true)} aria-label={t("help.title")}>
            ?
          </button>
          <button type="button" className="button small" onClick={() => session.end("left")}>
            {t("signOut")}
          </button>
        </div>
      </header>
      <Away />
      <main id="content" tabIndex={-1} ref={main}>
        {children}
      </main>
      {helping ? <Help onClose={() => setHelping(false)} /> : null}
    </>
  );
}

const LIVE_WORDS = { live: "live.live", asking: "live.asking", away: "live.away" } as const satisfies { [state: string]: Key };

function LiveSign() {
  const t = useWords();
  const state = useObservable(liveness);
  return (
    <span className={`live live-${state}`} title={t(LIVE_WORDS[state])}>
      <span className="live-dot" aria-hidden="true" />
      <span className="live-text">{t(LIVE_WORDS[state])}</span>
    </span>
  );
}

/** Said once, above everything, and gone by itself. */
function Away() {
  const t = useWords();
  const away = useObservable(connection.isAway);
  return (
    <div role="status" className={away ? "banner" : "sr-only"}>
      {away ? t("away") : ""}
    </div>
  );
}

const KEYS: readonly (readonly [keys: string, what: Key])[] = [
  ["j k", "help.move"],
  ["Enter", "help.open"],
  ["/", "help.search"],
  ["c", "help.new"],
  ["t", "help.tasks"],
  ["p", "help.pool"],
  ["?", "help.help"],
  ["Esc", "help.close"],
];

function Help({ onClose }: { readonly onClose: () => void }) {
  const t = useWords();
  const on = useObservable(areOn);
  return (
    <Dialog title={t("help.title")} onClose={onClose}>
      <dl className="keys">
        {KEYS.map(([keys, what]) => (
          <div key={keys}>
            <dt>
              {keys.split(" ").map((key) => (
                <kbd key={key}>{key}</kbd>
              ))}
            </dt>
            <dd>{t(what)}</dd>
          </div>
        ))}
      </dl>
      <label className="check">
        <input type="checkbox" checked={on} onChange={(event) => setShortcuts(event.target.checked)} />
        {t("help.on")}
      </label>
      <Settings />
      <div className="dialog-buttons">
        <button type="button" className="button primary" onClick={onClose}>
          {t("action.close")}
        </button>
      </div>
    </Dialog>
  );
}
