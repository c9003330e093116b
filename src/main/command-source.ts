/** Profiles and commands: domain/verl over the operator's profile files on shared storage. */
import { formatProfile, parseProfile, profileYaml } from "../contract/profile-file.ts";
import type { ProfileFile } from "../storage/profile-files.ts";
import type { CommandSource } from "../control/command-source.ts";
import type { CommonFiles } from "../control/file-ports.ts";
import type { Clock, Log } from "../control/ports.ts";
import { AppError } from "../domain/app-error.ts";
import { entrypoint, jobDir, jobPaths, toRoot } from "../domain/storage-layout.ts";
import { exportSource, exportTarget } from "../domain/export.ts";
import type { SavedStep, Task, TaskSpec } from "../domain/types.ts";
import { BUILTIN_PROFILES } from "../domain/verl/builtin-profiles.ts";
import { buildCommand, buildExport, needs } from "../domain/verl/command.ts";
import { type Profile, profileId } from "../domain/verl/profile.ts";
import { findProfile, selectProfile } from "../domain/verl/select-profile.ts";

export type CommandSettings = {
  readonly workerRoot: string;
  readonly python: string;
  readonly launcherHash: string;
  /** Canonical directory of the platform's own Python modules. */
  readonly modulesDir: string;
  readonly beatS: number;
  readonly selfFenceS: number;
  readonly graceS: number;
  /** As jobs see them. */
  readonly allowedRoots: readonly string[];
};

const CACHE_MS = 2_000;

export function commandSource(
  settings: CommandSettings,
  readFiles: () => Promise<readonly ProfileFile[]>,
  common: Pick<CommonFiles, "verlVersion">,
  clock: Clock,
  log: Log,
): CommandSource {
  let cached: { readonly at: number; readonly profiles: readonly Profile[] } | null = null;
  /** The last content complained of, by file name. */
  const complained = new Map<string, string>();
  const toWorker = (canonical: string): string => toRoot(canonical, settings.workerRoot);

  const load = async (): Promise<readonly Profile[]> => {
    const now = clock.monotonicMs();
    if (cached !== null && now - cached.at < CACHE_MS) return cached.profiles;
    const own = (await readFiles()).flatMap((file) => {
      const parsed = "text" in file ? parseProfile(file.text, file.fileName) : { ok: false as const, errors: [file.problem] };
      if (parsed.ok) return [parsed.profile];
      // A broken profile must not hide the good ones; its users get unknown_profile.
      const content = "text" in file ? file.text : file.problem;
      if (complained.get(file.fileName) !== content)
        log.warn({ file: file.fileName, errors: parsed.errors }, "a profile file is not valid and is left out");
      complained.set(file.fileName, content);
      return [];
    });
    cached = { at: now, profiles: [...BUILTIN_PROFILES, ...own] };
    return cached.profiles;
  };

  const verlVersion = async (spec: TaskSpec): Promise<string | null> => {
    try {
      return await common.verlVersion(spec.codePath);
    } catch (error) {
      log.warn({ code_path: spec.codePath, error: String(error) }, "the verl version of a code tree can't be read now");
      return null;
    }
  };

  return {
    choose: async (spec, profileName) => {
      const selection = selectProfile(spec.workload, await verlVersion(spec), profileName, await load());
      if (selection.kind === "problem") throw new AppError(selection.code, selection.text);
      const { profile, warnings } = selection;
      return {
        profile: { name: profileId(profile), verlVersion: selection.verlVersion, exclusive: profile.exclusive },
        needs: needs(spec, profile),
        settings: profile.settings,
        keepCheckpoints: profile.keepCheckpoints,
        warnings,
      };
    },
    build: async (task, submissionId, attempt, raySession, resume, deadline) => {
      const profile = findProfile(task.profile, await load());
      if (profile === undefined)
        throw new AppError("unknown_profile", `profile ${task.profile.name} is gone; profiles are never deleted while tasks use them`);
      const dir = jobDir(task.userId, submissionId);
      const input = {
        spec: task.spec,
        profile,
        verlVersion: task.profile.verlVersion,
        taskId: task.taskId,
        submissionId,
        jobDir: dir,
        toWorker,
        resume: resume === null ? null : { path: `${jobPaths(task.userId, resume.submissionId).checkpoints}/global_step_${resume.step}` },
        python: settings.python,
        platformDirs: [toWorker(settings.modulesDir)],
        graceS: settings.graceS,
        deadline,
      };
      const command = task.exportOf === null ? buildCommand(input) : buildExport({ ...input, ...exportPaths(task, task.exportOf) });
      const { spec } = task;
      const paths = [
        spec.codePath,
        spec.trainFile,
        ...(spec.valFile === null ? [] : [spec.valFile]),
        ...(spec.modelId.startsWith("/") ? [spec.modelId] : []),
      ];
      return {
        ...command,
        cwd: toWorker(dir),
        profileText: formatProfile(profile),
        entrypoint: entrypoint(settings.workerRoot, settings.launcherHash, task.userId, submissionId, settings.python),
        attemptJson: {
          schema: 1,
          submission_id: submissionId,
          task_id: task.taskId,
          user_id: task.userId,
          attempt,
          argv: command.argv,
          env: command.env,
          cwd: toWorker(dir),
          beat_s: settings.beatS,
          self_fence_s: settings.selfFenceS,
          grace_s: settings.graceS,
          deadline: deadline === null ? null : new Date(deadline).toISOString(),
          root: settings.workerRoot,
          ray_session: raySession,
          check_paths: paths.map(toWorker),
          allowed_roots: [toWorker("/private/common"), ...settings.allowedRoots],
        },
      };
    },
    list: async () =>
      (await load()).map((profile) => ({
        name: profileId(profile),
        workload: profile.workload,
        verl: profile.verl,
        exclusive: profile.exclusive,
        description: profile.description,
        builtin: BUILTIN_PROFILES.includes(profile),
        text: profileYaml(profile),
      })),
  };
}

function exportPaths({ userId, spec }: Pick<Task, "userId" | "spec">, of: SavedStep): { readonly source: string; readonly target: string } {
  return { source: exportSource(userId, of, spec.workload), target: exportTarget(userId, of) };
}
