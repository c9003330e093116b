import { Link, useParams } from "wouter";
import { useWords } from "../i18n/language.ts";
import { useMe } from "../me.ts";
import { Empty } from "../ui/faces.tsx";
import { Audit } from "./audit.tsx";
import { UserPage } from "./user-page.tsx";
import { Users } from "./users.tsx";

export function AdminView() {
  const t = useWords();
  const me = useMe();
  const { part = "users", user } = useParams<{ part?: string; user?: string }>();
  if (me.role !== "admin")
    return (
      <Empty isView title={t("admin.only")}>
        <Link href="/tasks">{t("nav.tasks")}</Link>
      </Empty>
    );
  return (
    <div className="admin">
      <title>{`${t("nav.admin")} · verlpool`}</title>
      <div className="view-head">
        <h1>{t("nav.admin")}</h1>
      </div>
      <nav className="tabs" aria-label={t("nav.admin")}>
        <Link href="/admin/users" aria-current={part === "users" ? "page" : undefined}>
          {t("admin.users")}
        </Link>
        <Link href="/admin/audit" aria-current={part === "audit" ? "page" : undefined}>
          {t("admin.audit")}
        </Link>
      </nav>
      {part === "audit" ? <Audit /> : user === undefined ? <Users /> : <UserPage key={user} userId={user} />}
    </div>
  );
}
