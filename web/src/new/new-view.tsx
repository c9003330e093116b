import { useQuery } from "@tanstack/react-query";
import { useId, useRef, useState } from "react";
import { useLocation } from "wouter";
import type { FieldError } from "../../../src/contract/problem.ts";
import { templateText, type Workload, WORKLOADS } from "../../../src/contract/template.ts";
import { ApiError, call, type CallOptions } from "../api/client.ts";
import { parseDuration } from "../format.ts";
import { useWords } from "../i18n/language.ts";
import { mayWrite, useMe } from "../me.ts";
import { visible } from "../text/visible.ts";
import { ErrorFace, textOf } from "../ui/faces.tsx";
import { Code, useProfiles } from "../task/spec-tab.tsx";
import { Catalog } from "./catalog.tsx";
import { Editor, type EditorHandle } from "./editor.tsx";
import { PlanCard } from "./plan-card.tsx";
import { setField } from "./set-field.ts";
import { useSettled } from "./use-settled.ts";

const SETTLE_MS = 350;

type Extras = {
  readonly name: string;
  readonly profile: string;
  readonly priority: string;
  readonly labels: string;
  readonly runtime: string;
  readonly user: string;
};
const NO_EXTRAS: Extras = { name: "", profile: "", priority: "", labels: "", runtime: "", user: "" };

export function NewView() {
  const t = useWords();
  const me = useMe();
  const [, go] = useLocation();
  const [text, setText] = useState(() => templateText("grpo"));
  const [extras, setExtras] = useState<Extras>(NO_EXTRAS);
  const editor = useRef<EditorHandle>(null);
  const settled = useSettled(JSON.stringify([text, extras]), SETTLE_MS);
  const runtimeS = extras.runtime === "" ? null : parseDuration(extras.runtime);
  const isWritable = mayWrite(me) && (me.role !== "admin" || extras.user !== "");
  const query = queryOf(extras, runtimeS);
  const plan = useQuery({
    queryKey: ["plan", settled],
    queryFn: ({ signal }) => call("planTask", "POST", "/api/v2/tasks:plan", { yaml: text, query, signal }),
    enabled: isWritable && text.trim() !== "",
    retry: false,
    gcTime: 30_000,
    refetchOnWindowFocus: false,
  });
  const isSettled = settled === JSON.stringify([text, extras]);
  const errors: readonly FieldError[] = isSettled && plan.error instanceof ApiError ? (plan.error.problem.errors ?? []) : [];
  const key = useRef({ of: "", key: "" });
  const [sending, setSending] = useState(false);
  const [refused, setRefused] = useState<unknown>(null);

  const submit = async (): Promise<void> => {
    setSending(true);
    setRefused(null);
    const wanted = JSON.stringify([text, extras]);
    // The same task, sent again because no answer came, is not a second task.
    if (key.current.of !== wanted) key.current = { of: wanted, key: randomKey() };
    try {
      const created = await call("createTask", "POST", "/api/v2/tasks", { yaml: text, query, idempotencyKey: key.current.key });
      go(`/tasks/${created.task_id}`);
    } catch (error) {
      setRefused(error);
      setSending(false);
    }
  };

  if (!mayWrite(me)) return <p className="notice">{t("action.readOnly")}</p>;
  return (
    <div className="new">
      <title>{`${t("nav.new")} · verlpool`}</title>
      <div className="view-head">
        <h1>{t("nav.new")}</h1>
        <div role="group" aria-label={t("new.templates")} className="templates">
          <span className="muted">{t("new.templates")}</span>
          {WORKLOADS.map((workload: Workload) => (
            <button key={workload} type="button" className="button small" onClick={() => setText(templateText(workload))}>
              {workload.toUpperCase()}
            </button>
          ))}
        </div>
      </div>
      <div className="two new-parts">
        <section aria-label="TaskSpec">
          <Editor ref={editor} label="TaskSpec (YAML)" value={text} onChange={setText} errors={errors} onSubmit={() => void submit()} />
          <ExtrasForm
            extras={extras}
            onChange={setExtras}
            isAdmin={me.role === "admin"}
            badRuntime={extras.runtime !== "" && runtimeS === null}
            workload={workloadOf(text)}
          />
        </section>
        <section aria-label={t("plan.title")} aria-busy={plan.isFetching || !isSettled}>
          <div className="card">
            <div className="plan-head">
              <h2>{t("plan.title")}</h2>
              <button
                type="button"
                className="button primary"
                disabled={sending}
                aria-disabled={plan.data === undefined || !isSettled}
                onClick={() => (plan.data === undefined || !isSettled ? undefined : void submit())}
              >
                {sending ? t("new.sending") : t("new.submit")}
              </button>
            </div>
            {refused === null ? null : (
              <p className="notice bad" role="alert" lang="en">
                {textOf(refused)}
              </p>
            )}
            <PlanState
              plan={plan.data}
              error={plan.error}
              isWaiting={plan.isFetching || !isSettled}
              errors={errors.length}
              needsUser={me.role === "admin" && extras.user === ""}
            />
            <Errors errors={errors} onGo={(line, column) => editor.current?.goTo(line, column)} />
          </div>
          <Catalog onSet={(field, value) => setText((before) => setField(before, field, value))} />
          <Profiles workload={workloadOf(text)} chosen={extras.profile} onChoose={(profile) => setExtras({ ...extras, profile })} />
        </section>
      </div>
    </div>
  );
}

function PlanState({
  plan,
  error,
  isWaiting,
  errors,
  needsUser,
}: {
  readonly plan: Parameters<typeof PlanCard>[0]["plan"] | undefined;
  readonly error: unknown;
  readonly isWaiting: boolean;
  readonly errors: number;
  readonly needsUser: boolean;
}) {
  const t = useWords();
  if (needsUser) return <p className="muted">{t("new.needsUser")}</p>;
  if (errors > 0) return <p className="bad">{t("new.errors", { n: errors })}</p>;
  if (plan !== undefined) return <PlanCard plan={plan} isOld={isWaiting} />;
  if (isWaiting) return <p className="muted">{t("plan.checking")}</p>;
  return error === null ? null : <ErrorFace error={error} />;
}

function Errors({ errors, onGo }: { readonly errors: readonly FieldError[]; readonly onGo: (line: number, column: number) => void }) {
  const t = useWords();
  return (
    <ul className="errors" aria-live="polite" aria-label={t("new.errorList")}>
      {errors.map((error) => (
        <li key={`${error.field} ${error.line} ${error.message}`}>
          {error.line === null ? (
            <span className="mono">{visible(error.field)}</span>
          ) : (
            <button type="button" className="link" onClick={() => onGo(error.line ?? 1, error.column ?? 1)}>
              {t("new.line", { line: error.line })} · {visible(error.field)}
            </button>
          )}
          <span lang="en">
            {visible(error.message)}
            {error.found === null || error.message.includes(error.found) ? "" : ` (found ${visible(error.found)})`}
            {error.allowed === null ? "" : `; allowed: ${visible(error.allowed)}`}
          </span>
        </li>
      ))}
    </ul>
  );
}

function ExtrasForm({
  extras,
  onChange,
  isAdmin,
  badRuntime,
  workload,
}: {
  readonly extras: Extras;
  readonly onChange: (extras: Extras) => void;
  readonly isAdmin: boolean;
  readonly badRuntime: boolean;
  readonly workload: string | null;
}) {
  const t = useWords();
  const profiles = useProfiles();
  const [name, profile, priority, labels, runtime, user, note] = [useId(), useId(), useId(), useId(), useId(), useId(), useId()];
  const set = (part: Partial<Extras>): void => onChange({ ...extras, ...part });
  return (
    <fieldset className="extras">
      <legend>{t("new.extras")}</legend>
      {isAdmin ? (
        <div>
          <label htmlFor={user}>{t("new.user")}</label>
          <input id={user} value={extras.user} required onChange={(event) => set({ user: event.target.value })} />
        </div>
      ) : null}
      <div>
        <label htmlFor={name}>{t("new.name")}</label>
        <input id={name} value={extras.name} maxLength={128} onChange={(event) => set({ name: event.target.value })} />
      </div>
      <div>
        <label htmlFor={profile}>{t("new.profile")}</label>
        <select id={profile} value={extras.profile} onChange={(event) => set({ profile: event.target.value })}>
          <option value="">{t("new.profileDefault")}</option>
          {(profiles.data ?? [])
            .filter((one) => suits(one, workload) || one.name === extras.profile)
            .map((one) => (
              <option key={one.name} value={one.name}>
                {visible(one.name)}
              </option>
            ))}
        </select>
      </div>
      <div>
        <label htmlFor={priority}>{t("new.priority")}</label>
        <input
          id={priority}
          inputMode="numeric"
          className="short"
          value={extras.priority}
          placeholder="0"
          onChange={(event) => set({ priority: event.target.value })}
        />
      </div>
      <div>
        <label htmlFor={runtime}>{t("new.runtime")}</label>
        <input
          id={runtime}
          className="short"
          value={extras.runtime}
          placeholder="8h"
          aria-invalid={badRuntime}
          aria-describedby={badRuntime ? note : undefined}
          onChange={(event) => set({ runtime: event.target.value })}
        />
        {badRuntime ? (
          <span id={note} className="bad">
            {t("new.badRuntime")}
          </span>
        ) : null}
      </div>
      <div>
        <label htmlFor={labels}>{t("new.labels")}</label>
        <input id={labels} value={extras.labels} placeholder="team=rl run=3" onChange={(event) => set({ labels: event.target.value })} />
      </div>
    </fieldset>
  );
}

/** As far as the text says it; what it means is the server's to say. */
function workloadOf(text: string): string | null {
  return /^workload:[ \t]*["']?(\w+)/m.exec(text)?.[1] ?? null;
}

function suits(profile: { readonly workload: string }, workload: string | null): boolean {
  return workload === null || profile.workload === workload || !WORKLOADS.some((one) => one === workload);
}

function queryOf(extras: Extras, runtimeS: number | null): NonNullable<CallOptions<"createTask">["query"]> {
  const text = (value: string): string | undefined => (value.trim() === "" ? undefined : value.trim());
  return {
    name: text(extras.name),
    profile: text(extras.profile),
    priority: text(extras.priority),
    user: text(extras.user),
    max_runtime_s: runtimeS ?? undefined,
    label: extras.labels.split(/\s+/).filter(Boolean),
  };
}

/** 128 random bits. */
function randomKey(): string {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

function Profiles({
  workload,
  chosen,
  onChoose,
}: {
  readonly workload: string | null;
  readonly chosen: string;
  readonly onChoose: (name: string) => void;
}) {
  const t = useWords();
  const profiles = useProfiles();
  if (profiles.data === undefined)
    return profiles.isError ? <ErrorFace error={profiles.error} again={() => void profiles.refetch()} /> : null;
  return (
    <div className="card">
      <h2>{t("new.profiles")}</h2>
      {profiles.data
        .filter((one) => suits(one, workload))
        .map((one) => (
          <details key={one.name}>
            <summary>
              <span className="mono">{visible(one.name)}</span>{" "}
              <span className="muted" lang="en">
                {visible(one.description)}
              </span>
            </summary>
            <button
              type="button"
              className="button small"
              aria-pressed={chosen === one.name}
              onClick={() => onChoose(chosen === one.name ? "" : one.name)}
            >
              {t("new.useProfile")}
            </button>
            <Code text={one.text} label={one.name} />
          </details>
        ))}
    </div>
  );
}
