import { useMutation, useQuery } from "@tanstack/react-query";
import { call, send } from "../api/client.ts";
import { bytes } from "../format.ts";
import { known, useWords } from "../i18n/language.ts";
import { visible } from "../text/visible.ts";
import { Copy } from "../ui/copy.tsx";
import { Empty, ErrorFace, Loading, textOf } from "../ui/faces.tsx";
import type { TabProps } from "./task-view.tsx";

/** What the task left on shared storage. */
export function FilesTab({ task }: TabProps) {
  const t = useWords();
  const files = useQuery({
    queryKey: ["task", task.task_id, "artifacts"],
    queryFn: ({ signal }) => call("listArtifacts", "GET", "/api/v2/tasks/{task_id}/artifacts", { path: { task_id: task.task_id }, signal }),
  });
  if (files.data === undefined) return files.isError ? <ErrorFace error={files.error} again={() => void files.refetch()} /> : <Loading />;
  if (files.data.artifacts.length === 0) return <Empty title={t("files.none")} />;
  return (
    <section className="card" aria-labelledby="files-title">
      <h2 id="files-title">{t("files.title", { n: files.data.artifacts.length, size: bytes(files.data.total_bytes) })}</h2>
      {files.data.truncated ? <p className="notice">{t("files.truncated")}</p> : null}
      {files.data.gone_attempts.length > 0 ? (
        <p className="muted">{t("files.gone", { attempts: files.data.gone_attempts.join(", ") })}</p>
      ) : null}
      <div className="scroll" role="group" tabIndex={0} aria-label={t("tab.files")}>
        <table>
          <thead>
            <tr>
              <th scope="col">{t("files.file")}</th>
              <th scope="col" className="minor">
                {t("files.kind")}
              </th>
              <th scope="col">{t("files.size")}</th>
              <th scope="col">{t("files.get")}</th>
            </tr>
          </thead>
          <tbody>
            {files.data.artifacts.map((one) => (
              <tr key={one.path}>
                <th scope="row" className="mono wrap" title={visible(one.location)}>
                  {visible(one.path)}
                  {one.why === null ? null : <span className="bad"> {visible(one.why)}</span>}
                </th>
                <td className="minor">
                  {known(t, "kind", one.kind)}
                  {one.complete === true ? ` · ${t("files.complete")}` : ""}
                </td>
                <td className="nowrap">{bytes(one.bytes)}</td>
                <td>
                  {one.downloadable ? (
                    <Download taskId={task.task_id} path={one.path} />
                  ) : (
                    <Copy text={one.location} what={t("files.location")} />
                  )}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

/** Through memory, because a link can't send a token; the API gives small files only. */
function Download({ taskId, path }: { readonly taskId: string; readonly path: string }) {
  const t = useWords();
  const load = useMutation({
    mutationFn: async () => {
      const answer = await send("readArtifact", "GET", "/api/v2/tasks/{task_id}/artifacts/{path}", { path: { task_id: taskId, path } });
      const url = URL.createObjectURL(new Blob([await answer.arrayBuffer()], { type: "application/octet-stream" }));
      const link = document.createElement("a");
      link.href = url;
      link.download = path.replaceAll("/", "_");
      link.click();
      URL.revokeObjectURL(url);
    },
  });
  return (
    <>
      <button
        type="button"
        className="button small"
        disabled={load.isPending}
        onClick={() => load.mutate()}
        aria-label={t("files.download", { path: visible(path) })}
      >
        {t("files.save")}
      </button>
      {load.isError ? (
        <span role="alert" className="bad">
          {textOf(load.error)}
        </span>
      ) : null}
    </>
  );
}
