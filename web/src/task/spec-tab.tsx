import { useQuery } from "@tanstack/react-query";
import { call, send } from "../api/client.ts";
import { useWords } from "../i18n/language.ts";
import { visible } from "../text/visible.ts";
import { Copy } from "../ui/copy.tsx";
import { ErrorFace, Loading } from "../ui/faces.tsx";
import type { TabProps } from "./task-view.tsx";

export function SpecTab({ task }: TabProps) {
  const t = useWords();
  const spec = useQuery({
    queryKey: ["task", task.task_id, "spec"],
    queryFn: async ({ signal }) =>
      (await send("getSpec", "GET", "/api/v2/tasks/{task_id}/spec", { path: { task_id: task.task_id }, signal })).text(),
    staleTime: Infinity,
  });
  const profiles = useProfiles();
  const profile = profiles.data?.find((one) => one.name === task.profile);
  return (
    <div className="two">
      <section className="card" aria-labelledby="spec-title">
        <div className="plan-head">
          <h2 id="spec-title">TaskSpec</h2>
          {spec.data === undefined ? null : <Copy text={spec.data} what="TaskSpec" />}
        </div>
        {spec.isError ? <ErrorFace error={spec.error} again={() => void spec.refetch()} /> : null}
        {spec.data === undefined ? <Loading /> : <Code text={spec.data} label="TaskSpec" />}
      </section>
      <section className="card" aria-labelledby="profile-title">
        <div className="plan-head">
          <h2 id="profile-title">
            {t("spec.profile")} {visible(task.profile)}
          </h2>
          {profile === undefined ? null : <Copy text={profile.text} what={t("spec.profile")} />}
        </div>
        {profile === undefined ? (
          profiles.isPending ? (
            <Loading />
          ) : (
            <p className="muted">{t("spec.profileGone")}</p>
          )
        ) : (
          <Code text={profile.text} label={task.profile} />
        )}
      </section>
    </div>
  );
}

export type Profile = {
  readonly name: string;
  readonly workload: string;
  readonly description: string;
  readonly builtin: boolean;
  readonly text: string;
};

export function useProfiles() {
  return useQuery({
    queryKey: ["profiles"],
    queryFn: async ({ signal }) => (await call("listProfiles", "GET", "/api/v2/profiles", { signal }))["profiles"] as readonly Profile[],
    staleTime: 60_000,
  });
}

export function Code({ text, label }: { readonly text: string; readonly label: string }) {
  return (
    <pre className="code" tabIndex={0} aria-label={label}>
      {visibleLines(text)}
    </pre>
  );
}

function visibleLines(text: string): string {
  return text.split("\n").map(visible).join("\n");
}
