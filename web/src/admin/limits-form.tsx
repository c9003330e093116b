import { useMutation } from "@tanstack/react-query";
import { type FormEvent, useId, useState } from "react";
import type { UserWire } from "../../../src/contract/resources.ts";
import { call } from "../api/client.ts";
import { type Key, useWords } from "../i18n/language.ts";
import { textOf } from "../ui/faces.tsx";

type Limits = UserWire["limits"];

const FIELDS = {
  max_queued: "limits.queued",
  max_running: "limits.running",
  max_gpus: "limits.gpus",
  submits_per_minute: "limits.submits",
  max_storage_gib: "limits.storage",
  max_priority: "limits.priority",
} as const satisfies { readonly [name in keyof Limits]: Key };
const NAMES = Object.keys(FIELDS) as (keyof Limits)[];

export function LimitsForm({ user, onSaved }: { readonly user: UserWire; readonly onSaved: () => Promise<void> }) {
  const t = useWords();
  const id = useId();
  const [values, setValues] = useState(() =>
    Object.fromEntries(NAMES.map((name) => [name, user.limits[name] === null ? "" : String(user.limits[name])])),
  );
  const save = useMutation({
    mutationFn: () => {
      const limits = Object.fromEntries(
        NAMES.map((name) => [name, values[name] === "" && name !== "max_priority" ? null : Number(values[name])]),
      );
      return call("setLimits", "PUT", "/api/v2/users/{user_id}/limits", { path: { user_id: user.user_id }, json: limits });
    },
    onSuccess: onSaved,
  });
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    save.mutate();
  };
  return (
    <form className="card" onSubmit={submit} aria-labelledby={`${id}-title`}>
      <h3 id={`${id}-title`}>{t("admin.limits")}</h3>
      <p className="muted small">{t("limits.note")}</p>
      <div className="extras">
        {NAMES.map((name) => (
          <div key={name}>
            <label htmlFor={`${id}-${name}`}>{t(FIELDS[name])}</label>
            <input
              id={`${id}-${name}`}
              className="short"
              inputMode="numeric"
              value={values[name]}
              placeholder={name === "max_priority" ? "0" : "∞"}
              onChange={(event) => setValues({ ...values, [name]: event.target.value.trim() })}
            />
          </div>
        ))}
      </div>
      <button type="submit" className="button" disabled={save.isPending}>
        {t("limits.save")}
      </button>{" "}
      <span role="status" className="muted">
        {save.isSuccess ? t("limits.saved") : ""}
      </span>
      {save.isError ? (
        <p className="bad" role="alert" lang="en">
          {textOf(save.error)}
        </p>
      ) : null}
    </form>
  );
}
