/** All that the command line touches outside itself. main/cli.ts builds the real one; tests build their own. */
import type { Diagnosis } from "../domain/diagnosis/diagnose.ts";
import type { HttpTransport } from "./transport.ts";

export type OutputStream = {
  readonly isTTY: boolean;
  /** Resolves when the reader took it; rejects with `code: "EPIPE"` when the reader is gone. */
  readonly write: (chunk: string | Uint8Array) => Promise<void>;
};

export type InputStream = {
  readonly isTTY: boolean;
  /** Everything up to the end of input, at most `maxBytes` + 1 bytes. */
  readonly readAll: (maxBytes: number) => Promise<Uint8Array>;
  /** One line, without its end; null at the end of input. */
  readonly readLine: () => Promise<string | null>;
};

export type FileRead = { readonly bytes: Uint8Array; readonly mode: number; readonly uid: number };

export type CliFiles = {
  /** A file that the user named (also a pipe): at most `maxBytes` + 1 bytes; null when there is none. */
  readonly readInput: (path: string, maxBytes: number) => Promise<Uint8Array | null>;
  /** A regular file, never through a symlink, at most 64 KiB; null when there is none. */
  readonly readRecord: (path: string) => Promise<FileRead | null>;
  /** Names in a directory, [] when there is none. */
  readonly list: (directory: string) => Promise<readonly string[]>;
  /** Replaces the file whole, mode 0600, in a directory of mode 0700. */
  readonly writePrivate: (path: string, text: string) => Promise<void>;
  /** Writes a file of parts as they come; it has its name once it is whole. */
  readonly writeParts: (path: string, parts: AsyncIterable<Uint8Array>) => Promise<void>;
  /** Whether there was one to remove. */
  readonly remove: (path: string) => Promise<boolean>;
};

export type CliClock = {
  /** Wall clock, epoch ms. */
  readonly now: () => number;
  readonly monotonicMs: () => number;
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
};

export type ServerOptions = {
  readonly config: string | null;
  readonly root: string | null;
  readonly host: string | null;
  readonly port: number | null;
  readonly tlsCert: string | null;
  readonly tlsKey: string | null;
  readonly dev: boolean;
};
/** What `prepare` builds the Python environment from; null = as the last prepare of this root had it. */
export type PrepareChoices = {
  readonly python: string | null;
  readonly existingPython: string | null;
  readonly torchIndex: string | null;
  readonly allowCuda: boolean;
};
export type UpOptions = PrepareChoices & {
  readonly root: string | null;
  readonly port: number | null;
  readonly workers: number | null;
  readonly gpusPerWorker: number | null;
  readonly cpusPerWorker: number | null;
  readonly detach: boolean;
};
export type DownOptions = { readonly root: string | null };
export type StatusOptions = { readonly root: string | null; readonly json: boolean };
export type PrepareOptions = PrepareChoices & {
  readonly root: string | null;
  /** Whether to publish the single executable. */
  readonly executable: boolean;
};
export type DemoOptions = PrepareChoices & { readonly root: string | null; readonly keep: boolean };
export type PullOptions = {
  readonly kind: "model" | "dataset";
  readonly id: string;
  readonly revision: string | null;
  readonly root: string | null;
};
export type ConfigShowOptions = { readonly config: string | null; readonly root: string | null; readonly json: boolean };

export type HeadOptions = {
  readonly config: string | null;
  readonly root: string | null;
  readonly cluster: string | null;
  readonly nodeIp: string | null;
  readonly host: string | null;
  readonly rayPort: number | null;
  readonly dashboardPort: number | null;
  /** `auto`, `rocksdb`, `none` or `redis://HOST:PORT`, not checked yet. */
  readonly gcs: string | null;
  readonly takeOver: boolean;
  readonly python: string | null;
  readonly tokenFile: string | null;
  readonly healthPort: number | null;
  readonly stateDir: string | null;
  readonly tempDir: string | null;
};
export type WorkerOptions = {
  readonly config: string | null;
  readonly root: string | null;
  readonly cluster: string | null;
  readonly nodeName: string | null;
  readonly nodeIp: string | null;
  readonly gpus: number | null;
  readonly cpus: number | null;
  readonly labels: { readonly [name: string]: string };
  readonly objectStoreMib: number | null;
  readonly python: string | null;
  readonly tokenFile: string | null;
  readonly healthPort: number | null;
  readonly stateDir: string | null;
  readonly tempDir: string | null;
};

export type AgentRole = "server" | "head" | "worker";
export type AgentOptions = {
  readonly role: AgentRole;
  /** The flags of the foreground command, as they were given, their paths absolute. */
  readonly argv: readonly string[];
  readonly config: string | null;
  readonly root: string | null;
  readonly cluster: string | null;
  readonly nodeName: string | null;
  readonly stateDir: string | null;
};
export type AgentStatusOptions = AgentOptions & { readonly json: boolean };

export type CleanOptions = {
  readonly config: string | null;
  readonly root: string | null;
  readonly cluster: string | null;
  readonly stateDir: string | null;
  readonly dryRun: boolean;
};

/** `pool apply|status|stop FILE`. */
export type PoolHostsOptions = {
  readonly verb: "apply" | "status" | "stop";
  readonly file: string;
  /** Names of hosts; [] = all of the file. */
  readonly only: readonly string[];
  readonly sshConfig: string | null;
  readonly json: boolean;
  /** Null = one round. */
  readonly watchEveryS: number | null;
  readonly force: boolean;
};

export type DoctorOptions = {
  readonly config: string | null;
  readonly root: string | null;
  readonly cluster: string | null;
  readonly withJob: boolean;
  readonly json: boolean;
};

export type DatabaseOptions = { readonly config: string | null; readonly root: string | null };
export type BackupOptions = DatabaseOptions & { readonly to: string | null; readonly json: boolean };
export type RestoreOptions = DatabaseOptions & { readonly file: string; readonly stopUnknown: boolean };
export type ResetOptions = DatabaseOptions & { readonly cancelTasks: boolean };

/** Commands that need no server: composed in main/, only parsed here. Each prints for itself and resolves to the exit code. */
export type LocalCommands = {
  readonly server: (options: ServerOptions) => Promise<number>;
  readonly head: (options: HeadOptions) => Promise<number>;
  readonly worker: (options: WorkerOptions) => Promise<number>;
  readonly up: (options: UpOptions) => Promise<number>;
  readonly down: (options: DownOptions) => Promise<number>;
  readonly status: (options: StatusOptions) => Promise<number>;
  readonly prepare: (options: PrepareOptions) => Promise<number>;
  readonly demo: (options: DemoOptions) => Promise<number>;
  readonly pull: (options: PullOptions) => Promise<number>;
  readonly poolHosts: (options: PoolHostsOptions) => Promise<number>;
  readonly configShow: (options: ConfigShowOptions) => Promise<number>;
  readonly start: (options: AgentOptions) => Promise<number>;
  readonly stop: (options: AgentOptions) => Promise<number>;
  readonly agentStatus: (options: AgentStatusOptions) => Promise<number>;
  readonly clean: (options: CleanOptions) => Promise<number>;
  readonly doctor: (options: DoctorOptions) => Promise<number>;
  readonly backup: (options: BackupOptions) => Promise<number>;
  readonly restore: (options: RestoreOptions) => Promise<number>;
  readonly migrate: (options: DatabaseOptions) => Promise<number>;
  readonly resetDb: (options: ResetOptions) => Promise<number>;
};

/** `log` is a path, or `-` for stdin; `rayMessage` "" = none. */
export type DiagnoseOptions = { readonly log: string; readonly rayMessage: string };

export type CliWorld = {
  readonly version: string;
  readonly env: { readonly [name: string]: string | undefined };
  readonly home: string;
  /** Of this process; null where the system has none. */
  readonly uid: number | null;
  /** Width of the terminal on stdout; null when stdout is no terminal. */
  readonly columns: number | null;
  readonly stdout: OutputStream;
  readonly stderr: OutputStream;
  readonly stdin: InputStream;
  readonly files: CliFiles;
  readonly request: HttpTransport;
  /** While a listener stands, Ctrl-C calls it and does not end the process. Returns its removal. */
  readonly onInterrupt: (listener: () => void) => () => void;
  readonly clock: CliClock;
  /** `bytes` random bytes as hex. */
  readonly randomHex: (bytes: number) => string;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly local: LocalCommands;
  /** Why the run of this log failed; rejects with the system's error when the file can't be read. */
  readonly diagnose: (options: DiagnoseOptions) => Promise<Diagnosis>;
};
