import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Link } from "wouter";
import type { UserWire } from "../../../src/contract/resources.ts";
import { call } from "../api/client.ts";
import { useWords } from "../i18n/language.ts";
import { visible } from "../text/visible.ts";
import { Action } from "../ui/action.tsx";
import { Empty, ErrorFace, Loading } from "../ui/faces.tsx";
import { LimitsForm } from "./limits-form.tsx";
import { Tokens } from "./tokens.tsx";

/** The API lists users; it has no call for one. */
async function findUser(userId: string, signal: AbortSignal): Promise<UserWire | null> {
  let cursor: string | null = null;
  do {
    const page: { readonly [noun: string]: unknown } = await call("listUsers", "GET", "/api/v2/users", {
      query: { limit: 200, cursor: cursor ?? undefined },
      signal,
    });
    const found = (page["users"] as readonly UserWire[]).find((user) => user.user_id === userId);
    if (found !== undefined) return found;
    cursor = page["next_cursor"] as string | null;
  } while (cursor !== null);
  return null;
}

export function UserPage({ userId }: { readonly userId: string }) {
  const t = useWords();
  const queries = useQueryClient();
  const user = useQuery({ queryKey: ["users", userId], queryFn: ({ signal }) => findUser(userId, signal) });
  if (user.data === undefined) return user.isError ? <ErrorFace error={user.error} again={() => void user.refetch()} /> : <Loading />;
  if (user.data === null) return <Empty title={t("admin.noUser", { user: visible(userId) })} />;
  const changed = (): Promise<void> => queries.invalidateQueries({ queryKey: ["users"] });
  const path = { user_id: userId };
  const active = user.data.state === "ACTIVE";
  return (
    <>
      <div className="task-title">
        <h2>{userId}</h2>
        {user.data.display_name === null ? null : <span className="muted">{visible(user.data.display_name)}</span>}
        <span className={`badge tone-${active ? "good" : "off"}`}>{t(active ? "admin.active" : "admin.disabled")}</span>
        <Link href={`/tasks?user=${userId}`}>{t("admin.theirTasks")}</Link>
        <div className="actions">
          {active ? (
            <Action
              label={t("admin.disable")}
              question={t("admin.disableQuestion", { user: userId })}
              explanation={<p>{t("admin.disableText")}</p>}
              danger
              run={async () => {
                await call("disableUser", "POST", "/api/v2/users/{user_id}:disable", { path });
                await changed();
              }}
            />
          ) : (
            <Action
              label={t("admin.enable")}
              question={t("admin.enableQuestion", { user: userId })}
              run={async () => {
                await call("enableUser", "POST", "/api/v2/users/{user_id}:enable", { path });
                await changed();
              }}
            />
          )}
        </div>
      </div>
      <Tokens userId={userId} isActive={active} />
      <LimitsForm user={user.data} onSaved={changed} />
    </>
  );
}
