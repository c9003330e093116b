/** Everything that verlpool asks of shared storage, by name: one table, run in this process or in the killable helper. Synchronous on purpose. */
import type { LogPlace, LogScan } from "../control/file-ports.ts";
import type { CheckpointReading, LogRange, PreparedAttempt } from "../control/ports.ts";
import type { CheckpointShape, SavedStepState } from "../domain/checkpoint.ts";
import type { AttemptFiles, Claim, StopWhy } from "../domain/types.ts";
import type { NodeRecord } from "../domain/node-record.ts";
import type { ArtifactListing, ArtifactRead } from "../domain/artifact.ts";
import { listJobArtifacts, readJobArtifact } from "./artifacts.ts";
import type { Catalog } from "../domain/catalog.ts";
import { readCatalog } from "./catalog.ts";
import { writeApiFile, type ApiRecord } from "./api-file.ts";
import { lookAtAttempt, prepareAttempt, probeStorage, revokeAttempt, stopAttempt, type ServerClaim } from "./attempt-directory.ts";
import { type AttemptEvidence, readAttemptEvidence } from "./attempt-evidence.ts";
import { hasExport, readCheckpoints, readSavedSteps } from "./checkpoints.ts";
import { cachedSnapshot, checkCommonPath, readVerlVersion } from "./common-directory.ts";
import { HEAD_OPERATIONS, type HeadOperations } from "./head-operations.ts";
import { clearSteps, dropSteps, jobBytes, jobNames, removeJob, userNames } from "./retention.ts";
import { installLauncher } from "./install-launcher.ts";
import type { PathCheck, TrainingInputs } from "../domain/preflight.ts";
import { type InputPaths, readTrainingInputs } from "./training-inputs.ts";
import { type Beat, beatNode, readWant, type WantReading } from "./node-file.ts";
import type { NodeReadings } from "../control/node-ports.ts";
import type { NodeWant } from "../domain/node-record.ts";
import { forgetNodeFiles, freeBytesOf, readNodeFiles, writeWantFile } from "./node-files.ts";
import { type ProfileFile, readProfileFiles } from "./profile-files.ts";
import type { Diagnosis } from "../domain/diagnosis/diagnose.ts";
import type { FileTime } from "../domain/insight/pace.ts";
import { diagnoseJobLog, readJobLog, readJobMetrics, readJobTimes, scanJobLog, seekJobLog, type SeekFrom, tailJobLog } from "./job-logs.ts";
import { askStacks, keepStacks, readStackRequest, type StackRequest } from "./stacks.ts";
import type { ScanRequest } from "./log-scan.ts";

export type StorageConfig = {
  /** Where this process sees /private. */
  readonly sharedRoot: string;
  /** Places outside of /private/common that links in it may lead to, as this process sees them. */
  readonly allowedSymlinkTargets: readonly string[];
};

type Job = { readonly userId: string; readonly submissionId: string };

/** `tag` makes names of temporary files private to one call. */
export type Operations = HeadOperations & {
  readonly prepare: { readonly args: { readonly attempt: PreparedAttempt; readonly tag: string }; readonly result: null };
  readonly look: { readonly args: Job; readonly result: AttemptFiles };
  readonly revoke: {
    readonly args: Job & { readonly claim: ServerClaim };
    readonly result: { readonly kind: "won" | "lost"; readonly claim: Claim };
  };
  readonly stop: { readonly args: Job & { readonly why: StopWhy; readonly at: string; readonly tag: string }; readonly result: null };
  readonly askStacks: { readonly args: Job & { readonly at: string; readonly tag: string }; readonly result: null };
  readonly readStackRequest: {
    readonly args: { readonly submissionId: string; readonly userId: string | null; readonly node: string };
    readonly result: StackRequest | null;
  };
  readonly keepStacks: {
    readonly args: Job & { readonly node: string; readonly at: string; readonly text: string; readonly tag: string };
    readonly result: null;
  };
  readonly readLog: { readonly args: Job & { readonly offset: number; readonly limit: number }; readonly result: LogRange };
  readonly tailLog: { readonly args: Job & { readonly lines: number; readonly maxBytes: number }; readonly result: LogRange };
  readonly readMetrics: { readonly args: Job & { readonly offset: number }; readonly result: LogRange };
  readonly seekLog: { readonly args: Job & { readonly from: SeekFrom }; readonly result: LogPlace };
  readonly scanLog: { readonly args: Job & ScanRequest; readonly result: LogScan };
  readonly readTimes: { readonly args: Job; readonly result: readonly FileTime[] };
  readonly diagnoseLog: { readonly args: Job & { readonly rayMessage: string }; readonly result: Diagnosis };
  readonly checkpoints: {
    readonly args: Job & { readonly shape: CheckpointShape; readonly only: number | null };
    readonly result: CheckpointReading;
  };
  readonly hasExport: { readonly args: Job & { readonly step: number }; readonly result: boolean };
  readonly removeJob: { readonly args: Job; readonly result: { readonly isDone: boolean } };
  readonly savedSteps: { readonly args: Job & { readonly shape: CheckpointShape }; readonly result: readonly SavedStepState[] };
  readonly dropSteps: { readonly args: Job & { readonly steps: readonly number[] }; readonly result: null };
  readonly clearSteps: { readonly args: Job; readonly result: { readonly isDone: boolean } };
  readonly userNames: { readonly args: Record<string, never>; readonly result: readonly string[] };
  readonly jobNames: { readonly args: { readonly userId: string }; readonly result: readonly string[] };
  readonly jobBytes: { readonly args: { readonly userId: string; readonly name: string }; readonly result: number };
  readonly probe: { readonly args: { readonly host: string }; readonly result: null };
  readonly checkCommon: { readonly args: { readonly path: string; readonly expect: "file" | "directory" }; readonly result: PathCheck };
  readonly verlVersion: { readonly args: { readonly codePath: string }; readonly result: string | null };
  readonly hasModel: { readonly args: { readonly id: string }; readonly result: boolean };
  readonly listArtifacts: { readonly args: Job; readonly result: ArtifactListing };
  readonly readArtifact: {
    readonly args: Job & { readonly path: string; readonly maxBytes: number; readonly offset: number | null };
    readonly result: ArtifactRead;
  };
  readonly catalog: { readonly args: Record<string, never>; readonly result: Catalog };
  readonly trainingInputs: { readonly args: InputPaths; readonly result: TrainingInputs };
  readonly beatNode: { readonly args: { readonly cluster: string; readonly record: NodeRecord }; readonly result: Beat };
  readonly readWant: { readonly args: { readonly cluster: string; readonly node: string }; readonly result: WantReading };
  readonly attemptEvidence: {
    readonly args: { readonly submissionId: string; readonly userId: string | null };
    readonly result: AttemptEvidence | null;
  };
  readonly writeApi: { readonly args: { readonly cluster: string; readonly api: ApiRecord; readonly tag: string }; readonly result: null };
  readonly readProfiles: { readonly args: Record<string, never>; readonly result: readonly ProfileFile[] };
  readonly readNodes: { readonly args: { readonly cluster: string; readonly uid: number }; readonly result: NodeReadings };
  readonly writeWant: {
    readonly args: { readonly cluster: string; readonly node: string; readonly want: NodeWant; readonly tag: string };
    readonly result: null;
  };
  readonly forgetNode: { readonly args: { readonly cluster: string; readonly node: string }; readonly result: null };
  readonly freeBytes: { readonly args: Record<string, never>; readonly result: number };
  readonly installLauncher: { readonly args: { readonly text: string; readonly tag: string }; readonly result: string };
};

export type OperationName = keyof Operations;

type Table = { readonly [N in OperationName]: (config: StorageConfig, args: Operations[N]["args"]) => Operations[N]["result"] };

const TABLE: Table = {
  ...HEAD_OPERATIONS,
  prepare: ({ sharedRoot }, { attempt, tag }) => (prepareAttempt(sharedRoot, attempt, tag), null),
  look: ({ sharedRoot }, { userId, submissionId }) => lookAtAttempt(sharedRoot, userId, submissionId),
  revoke: ({ sharedRoot }, { userId, submissionId, claim }) => revokeAttempt(sharedRoot, userId, submissionId, claim),
  stop: ({ sharedRoot }, { userId, submissionId, why, at, tag }) => (stopAttempt(sharedRoot, userId, submissionId, why, at, tag), null),
  askStacks: ({ sharedRoot }, { userId, submissionId, at, tag }) => (askStacks(sharedRoot, userId, submissionId, at, tag), null),
  readStackRequest: ({ sharedRoot }, { submissionId, userId, node }) => readStackRequest(sharedRoot, submissionId, userId, node),
  keepStacks: ({ sharedRoot }, { userId, submissionId, node, at, text, tag }) => (
    keepStacks(sharedRoot, userId, submissionId, node, at, text, tag),
    null
  ),
  readLog: ({ sharedRoot }, { userId, submissionId, offset, limit }) => readJobLog(sharedRoot, userId, submissionId, offset, limit),
  tailLog: ({ sharedRoot }, { userId, submissionId, lines, maxBytes }) => tailJobLog(sharedRoot, userId, submissionId, lines, maxBytes),
  readMetrics: ({ sharedRoot }, { userId, submissionId, offset }) => readJobMetrics(sharedRoot, userId, submissionId, offset),
  seekLog: ({ sharedRoot }, { userId, submissionId, from }) => seekJobLog(sharedRoot, userId, submissionId, from),
  scanLog: ({ sharedRoot }, { userId, submissionId, ...request }) => scanJobLog(sharedRoot, userId, submissionId, request),
  readTimes: ({ sharedRoot }, { userId, submissionId }) => readJobTimes(sharedRoot, userId, submissionId),
  diagnoseLog: ({ sharedRoot }, { userId, submissionId, rayMessage }) => diagnoseJobLog(sharedRoot, userId, submissionId, rayMessage),
  checkpoints: ({ sharedRoot }, { userId, submissionId, shape, only }) => readCheckpoints(sharedRoot, userId, submissionId, shape, only),
  hasExport: ({ sharedRoot }, { userId, submissionId, step }) => hasExport(sharedRoot, userId, submissionId, step),
  removeJob: ({ sharedRoot }, { userId, submissionId }) => removeJob(sharedRoot, userId, submissionId),
  savedSteps: ({ sharedRoot }, { userId, submissionId, shape }) => readSavedSteps(sharedRoot, userId, submissionId, shape),
  dropSteps: ({ sharedRoot }, { userId, submissionId, steps }) => (dropSteps(sharedRoot, userId, submissionId, steps), null),
  clearSteps: ({ sharedRoot }, { userId, submissionId }) => clearSteps(sharedRoot, userId, submissionId),
  userNames: ({ sharedRoot }) => userNames(sharedRoot),
  jobNames: ({ sharedRoot }, { userId }) => jobNames(sharedRoot, userId),
  jobBytes: ({ sharedRoot }, { userId, name }) => jobBytes(sharedRoot, userId, name),
  probe: ({ sharedRoot }, { host }) => (probeStorage(sharedRoot, host), null),
  checkCommon: (config, { path, expect }) => checkCommonPath(commonRoot(config), path, expect),
  verlVersion: (config, { codePath }) => readVerlVersion(commonRoot(config), codePath),
  hasModel: (config, { id }) => cachedSnapshot(commonRoot(config), id) !== null,
  listArtifacts: ({ sharedRoot }, { userId, submissionId }) => listJobArtifacts(sharedRoot, userId, submissionId),
  readArtifact: ({ sharedRoot }, { userId, submissionId, path, maxBytes, offset }) =>
    readJobArtifact(sharedRoot, userId, submissionId, path, maxBytes, offset),
  catalog: (config) => readCatalog(commonRoot(config)),
  trainingInputs: (config, paths) => readTrainingInputs(commonRoot(config), paths),
  beatNode: ({ sharedRoot }, { cluster, record }) => beatNode(sharedRoot, cluster, record),
  readWant: ({ sharedRoot }, { cluster, node }) => readWant(sharedRoot, cluster, node),
  attemptEvidence: ({ sharedRoot }, { submissionId, userId }) => readAttemptEvidence(sharedRoot, submissionId, userId),
  writeApi: ({ sharedRoot }, { cluster, api, tag }) => (writeApiFile(sharedRoot, cluster, api, tag), null),
  readProfiles: ({ sharedRoot }) => readProfileFiles(sharedRoot),
  readNodes: ({ sharedRoot }, { cluster, uid }) => readNodeFiles(sharedRoot, cluster, uid),
  writeWant: ({ sharedRoot }, { cluster, node, want, tag }) => (writeWantFile(sharedRoot, cluster, node, want, tag), null),
  forgetNode: ({ sharedRoot }, { cluster, node }) => (forgetNodeFiles(sharedRoot, cluster, node), null),
  freeBytes: ({ sharedRoot }) => freeBytesOf(sharedRoot),
  installLauncher: ({ sharedRoot }, { text, tag }) => installLauncher(sharedRoot, text, tag),
};

/** Runs one operation now, in this process; throws whatever the file system answers. */
export function runOperation<N extends OperationName>(
  config: StorageConfig,
  name: N,
  args: Operations[N]["args"],
): Operations[N]["result"] {
  return TABLE[name](config, args);
}

export function isOperationName(name: unknown): name is OperationName {
  return typeof name === "string" && Object.hasOwn(TABLE, name);
}

function commonRoot(config: StorageConfig) {
  return { root: config.sharedRoot, allowedSymlinkTargets: config.allowedSymlinkTargets };
}
