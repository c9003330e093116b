/** What a task left on shared storage, on the wire. */
import { z } from "zod";
import type { Artifacts } from "../domain/artifact.ts";
import type { ExportAnswer } from "../domain/export.ts";

export const ArtifactsWire = z
  .object({
    artifacts: z.array(
      z
        .object({
          path: z.string().meta({ description: "Unique in the task, below its artifacts: a01/config/argv.json" }),
          kind: z.enum(["checkpoint", "export", "config", "log", "metrics", "debug", "result", "other"]),
          attempt: z.int(),
          submission_id: z.string(),
          bytes: z.int().meta({ description: "Of a checkpoint: all of its files" }),
          files: z.int(),
          modified_at: z.string(),
          location: z.string().meta({ description: "Canonical path on shared storage" }),
          step: z.int().nullable().meta({ description: "Of a checkpoint" }),
          complete: z.boolean().nullable().meta({ description: "Whether a resume could use it; null = not looked into" }),
          why: z.string().nullable().meta({ description: "Why a resume could not use it" }),
          downloadable: z.boolean(),
        })
        .meta({ id: "Artifact" }),
    ),
    next_cursor: z.null(),
    total_bytes: z.int(),
    truncated: z.boolean().meta({ description: "There are more files than one answer holds" }),
    gone_attempts: z.array(z.int()).meta({ description: "Attempts whose directory was removed" }),
  })
  .meta({ id: "Artifacts" });
export type ArtifactsWire = z.infer<typeof ArtifactsWire>;

export const ExportWire = z
  .object({
    submission_id: z.string().meta({ description: "The attempt that saved the checkpoint" }),
    step: z.int(),
    location: z.string().meta({ description: "Canonical folder, there now or once the task has SUCCEEDED" }),
    task: z
      .object({ task_id: z.string(), state: z.string() })
      .nullable()
      .meta({ description: "The task that makes it; null = it is there" }),
    notes: z.array(z.string()).meta({ description: "Newer checkpoints that were passed over" }),
  })
  .meta({ id: "Export" });
export type ExportWire = z.infer<typeof ExportWire>;

export function renderExport({ submissionId, step, location, task, notes }: ExportAnswer): ExportWire {
  return {
    submission_id: submissionId,
    step,
    location,
    task: task === null ? null : { task_id: task.taskId, state: task.state },
    notes: [...notes],
  };
}

export function renderArtifacts({ rows, truncated, goneAttempts }: Artifacts): ArtifactsWire {
  return {
    artifacts: rows.map((row) => ({
      path: row.id,
      kind: row.kind,
      attempt: row.attempt,
      submission_id: row.submissionId,
      bytes: row.bytes,
      files: row.files,
      modified_at: new Date(row.modifiedAt).toISOString(),
      location: row.location,
      step: row.step,
      complete: row.complete,
      why: row.why,
      downloadable: row.isDownloadable,
    })),
    next_cursor: null,
    total_bytes: rows.reduce((sum, row) => sum + row.bytes, 0),
    truncated,
    gone_attempts: [...goneAttempts],
  };
}
