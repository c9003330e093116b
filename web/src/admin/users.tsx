import { useInfiniteQuery, useMutation, useQueryClient } from "@tanstack/react-query";
import { type FormEvent, useId, useState } from "react";
import { Link, useLocation } from "wouter";
import type { UserWire } from "../../../src/contract/resources.ts";
import { call } from "../api/client.ts";
import { useWords } from "../i18n/language.ts";
import { visible } from "../text/visible.ts";
import { ErrorFace, Loading, textOf } from "../ui/faces.tsx";
import { Ago } from "../ui/time.tsx";

export function Users() {
  const t = useWords();
  const users = useInfiniteQuery({
    queryKey: ["users"],
    initialPageParam: "",
    queryFn: ({ signal, pageParam }) =>
      call("listUsers", "GET", "/api/v2/users", { query: { limit: 200, cursor: pageParam === "" ? undefined : pageParam }, signal }),
    getNextPageParam: (page) => page.next_cursor as string | null,
  });
  const rows = users.data?.pages.flatMap((page) => page["users"] as readonly UserWire[]) ?? [];
  return (
    <>
      <CreateUser />
      {users.data === undefined ? users.isError ? <ErrorFace error={users.error} again={() => void users.refetch()} /> : <Loading /> : null}
      {users.data !== undefined && rows.length === 0 ? <p className="muted">{t("admin.noUsers")}</p> : null}
      {rows.length === 0 ? null : (
        <div className="scroll boxed" role="region" tabIndex={0} aria-label={t("admin.users")}>
          <table>
            <thead>
              <tr>
                <th scope="col">{t("admin.user")}</th>
                <th scope="col">{t("admin.name")}</th>
                <th scope="col">{t("admin.state")}</th>
                <th scope="col">{t("admin.limits")}</th>
                <th scope="col">{t("admin.since")}</th>
              </tr>
            </thead>
            <tbody>
              {rows.map((user) => (
                <tr key={user.user_id}>
                  <th scope="row">
                    <Link href={`/admin/users/${user.user_id}`}>{user.user_id}</Link>
                  </th>
                  <td>{visible(user.display_name ?? "")}</td>
                  <td>
                    <span className={`badge tone-${user.state === "ACTIVE" ? "good" : "off"}`}>
                      {t(user.state === "ACTIVE" ? "admin.active" : "admin.disabled")}
                    </span>
                  </td>
                  <td className="muted">
                    {t("admin.limitsShort", {
                      queued: user.limits.max_queued ?? "∞",
                      running: user.limits.max_running ?? "∞",
                      gpus: user.limits.max_gpus ?? "∞",
                    })}
                  </td>
                  <td className="muted">
                    <Ago at={user.created_at} />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {users.hasNextPage ? (
        <button type="button" className="button" onClick={() => void users.fetchNextPage()}>
          {t("timeline.more")}
        </button>
      ) : null}
    </>
  );
}

function CreateUser() {
  const t = useWords();
  const queries = useQueryClient();
  const [, go] = useLocation();
  const [idField, nameField, note] = [useId(), useId(), useId()];
  const [id, setId] = useState("");
  const [name, setName] = useState("");
  const create = useMutation({
    mutationFn: () =>
      call("createUser", "POST", "/api/v2/users", {
        json: { user_id: id.trim(), ...(name.trim() === "" ? {} : { display_name: name.trim() }) },
      }),
    onSuccess: async (user) => {
      await queries.invalidateQueries({ queryKey: ["users"] });
      go(`/admin/users/${user.user_id}`);
    },
  });
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    create.mutate();
  };
  return (
    <form className="card row-form" onSubmit={submit} aria-label={t("admin.create")}>
      <div>
        <label htmlFor={idField}>{t("admin.userId")}</label>
        <input id={idField} value={id} required aria-describedby={note} onChange={(event) => setId(event.target.value)} />
      </div>
      <div>
        <label htmlFor={nameField}>{t("admin.displayName")}</label>
        <input id={nameField} value={name} onChange={(event) => setName(event.target.value)} />
      </div>
      <button type="submit" className="button primary" disabled={create.isPending}>
        {t("admin.create")}
      </button>
      <p id={note} className="muted small">
        {t("admin.userIdNote")}
      </p>
      {create.isError ? (
        <p className="bad" role="alert" lang="en">
          {textOf(create.error)}
        </p>
      ) : null}
    </form>
  );
}
