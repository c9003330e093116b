import { useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useId, useState } from "react";
import type { NewTokenWire, TokenWire } from "../../../src/contract/resources.ts";
import { call, send } from "../api/client.ts";
import { type Key, useWords } from "../i18n/language.ts";
import { visible } from "../text/visible.ts";
import { Action } from "../ui/action.tsx";
import { Copy } from "../ui/copy.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { ErrorFace, Loading, textOf } from "../ui/faces.tsx";
import { Ago, useNow } from "../ui/time.tsx";

const SCOPES = { full: "tokens.full", read: "tokens.read", metrics: "tokens.metrics" } as const satisfies {
  readonly [scope in TokenWire["scope"]]: Key;
};
type Scope = keyof typeof SCOPES;
const DAY_MS = 86_400_000;

export function Tokens({ userId, isActive }: { readonly userId: string; readonly isActive: boolean }) {
  const t = useWords();
  const queries = useQueryClient();
  const key = ["tokens", userId];
  const tokens = useQuery({
    queryKey: key,
    queryFn: async ({ signal }) =>
      (await call("listTokens", "GET", "/api/v2/users/{user_id}/tokens", { path: { user_id: userId }, query: { limit: 200 }, signal }))[
        "tokens"
      ] as readonly TokenWire[],
  });
  const [made, setMade] = useState<NewTokenWire | null>(null);
  const changed = (): Promise<void> => queries.invalidateQueries({ queryKey: key });
  const onMade = async (token: NewTokenWire): Promise<void> => {
    setMade(token);
    await changed();
  };
  return (
    <section className="card" aria-labelledby="tokens-title">
      <h3 id="tokens-title">{t("tokens.title")}</h3>
      {isActive ? <Issue userId={userId} onMade={onMade} /> : <p className="muted">{t("tokens.disabled")}</p>}
      {tokens.data === undefined ? (
        tokens.isError ? (
          <ErrorFace error={tokens.error} again={() => void tokens.refetch()} />
        ) : (
          <Loading />
        )
      ) : null}
      {tokens.data?.length === 0 ? <p className="muted">{t("tokens.none")}</p> : null}
      {tokens.data === undefined || tokens.data.length === 0 ? null : (
        <div className="scroll" role="group" tabIndex={0} aria-label={t("tokens.list")}>
          <table>
            <thead>
              <tr>
                {(["tokens.name", "tokens.scope", "tokens.ends", "tokens.state", "tokens.used", "tokens.actions"] as const).map((one) => (
                  <th key={one} scope="col">
                    {t(one)}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {tokens.data.map((token) => (
                <TokenRow key={token.token_id} token={token} onMade={onMade} onChanged={changed} />
              ))}
            </tbody>
          </table>
        </div>
      )}
      {made === null ? null : <Shown token={made} onClose={() => setMade(null)} />}
    </section>
  );
}

function Issue({ userId, onMade }: { readonly userId: string; readonly onMade: (token: NewTokenWire) => Promise<void> }) {
  const t = useWords();
  const [nameField, scopeField, daysField] = [useId(), useId(), useId()];
  const [name, setName] = useState("");
  const [scope, setScope] = useState<Scope>("full");
  const [days, setDays] = useState("90");
  const issue = useMutation({
    mutationFn: () =>
      call("createToken", "POST", "/api/v2/users/{user_id}/tokens", {
        path: { user_id: userId },
        json: {
          name: name.trim(),
          scope,
          expires_at: days.trim() === "" ? null : new Date(Date.now() + Number(days) * DAY_MS).toISOString(),
        },
      }),
    onSuccess: async (token) => {
      setName("");
      await onMade(token);
    },
  });
  const isDays = days.trim() === "" || /^\d{1,5}$/.test(days.trim());
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (isDays) issue.mutate();
  };
  return (
    <form className="row-form" onSubmit={submit} aria-label={t("tokens.issue")}>
      <div>
        <label htmlFor={nameField}>{t("tokens.name")}</label>
        <input id={nameField} value={name} required maxLength={64} placeholder="laptop" onChange={(event) => setName(event.target.value)} />
      </div>
      <div>
        <label htmlFor={scopeField}>{t("tokens.scope")}</label>
        <select
          id={scopeField}
          value={scope}
          onChange={(event) => setScope((Object.keys(SCOPES) as Scope[]).find((one) => one === event.target.value) ?? "full")}
        >
          {(Object.keys(SCOPES) as Scope[]).map((one) => (
            <option key={one} value={one}>
              {t(SCOPES[one])}
            </option>
          ))}
        </select>
      </div>
      <div>
        <label htmlFor={daysField}>{t("tokens.days")}</label>
        <input
          id={daysField}
          className="short"
          inputMode="numeric"
          value={days}
          aria-invalid={!isDays}
          onChange={(event) => setDays(event.target.value)}
        />
      </div>
      <button type="submit" className="button primary" disabled={issue.isPending}>
        {t("tokens.issue")}
      </button>
      {issue.isError ? (
        <p className="bad" role="alert" lang="en">
          {textOf(issue.error)}
        </p>
      ) : null}
    </form>
  );
}

function TokenRow({
  token,
  onMade,
  onChanged,
}: {
  readonly token: TokenWire;
  readonly onMade: (token: NewTokenWire) => Promise<void>;
  readonly onChanged: () => Promise<void>;
}) {
  const t = useWords();
  const now = useNow();
  const path = { user_id: token.user_id, token_id: token.token_id };
  const isExpired = token.expires_at !== null && Date.parse(token.expires_at) <= now;
  const state: Key =
    token.revoked_at !== null
      ? "tokens.revoked"
      : isExpired
        ? "tokens.expired"
        : token.replaced_by === null
          ? "tokens.inForce"
          : "tokens.replaced";
  const isInForce = token.revoked_at === null && !isExpired;
  return (
    <tr>
      <th scope="row">
        {visible(token.name)} <span className="muted mono nowrap">…{token.last4}</span>
      </th>
      <td>{t(SCOPES[token.scope])}</td>
      <td>{token.expires_at === null ? t("tokens.never") : <Ago at={token.expires_at} />}</td>
      <td>
        <span className={`badge tone-${isInForce ? "good" : "off"}`}>{t(state)}</span>
      </td>
      <td className="muted">{token.last_used_at === null ? "–" : <Ago at={token.last_used_at} />}</td>
      <td>
        {isInForce ? (
          <span className="actions">
            {token.replaced_by === null ? (
              <Action
                label={t("tokens.rotate")}
                question={t("tokens.rotateQuestion", { name: visible(token.name) })}
                explanation={<p>{t("tokens.rotateText")}</p>}
                run={async () =>
                  onMade(
                    await call("rotateToken", "POST", "/api/v2/users/{user_id}/tokens/{token_id}:rotate", {
                      path,
                      json: { overlap_s: 3_600 },
                    }),
                  )
                }
              />
            ) : null}
            <Revoke token={token} onChanged={onChanged} />
          </span>
        ) : null}
      </td>
    </tr>
  );
}

function Revoke({ token, onChanged }: { readonly token: TokenWire; readonly onChanged: () => Promise<void> }) {
  const t = useWords();
  return (
    <Action
      label={t("tokens.revoke")}
      question={t("tokens.revokeQuestion", { name: visible(token.name) })}
      explanation={<p>{t("tokens.revokeText")}</p>}
      danger
      run={async () => {
        await sendRevoke(token);
        await onChanged();
      }}
    />
  );
}

async function sendRevoke(token: TokenWire): Promise<void> {
  await send("revokeToken", "DELETE", "/api/v2/users/{user_id}/tokens/{token_id}", {
    path: { user_id: token.user_id, token_id: token.token_id },
  });
}

/** The one time that it can be read. */
function Shown({ token, onClose }: { readonly token: NewTokenWire; readonly onClose: () => void }) {
  const t = useWords();
  const field = useId();
  return (
    <Dialog title={t("tokens.made", { user: token.user_id })} onClose={onClose}>
      <p>{t("tokens.once")}</p>
      <label htmlFor={field}>{t("tokens.token")}</label>
      <input id={field} className="mono" readOnly value={token.token} onFocus={(event) => event.target.select()} autoFocus />
      <p>
        <Copy text={token.token} what={t("tokens.token")} />
      </p>
      <div className="dialog-buttons">
        <button type="button" className="button primary" onClick={onClose}>
          {t("tokens.done")}
        </button>
      </div>
    </Dialog>
  );
}
