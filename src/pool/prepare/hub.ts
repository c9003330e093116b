/** `model pull` and `dataset pull`: a snapshot from the Hugging Face hub into the pool's shared cache, which jobs then read offline. */
import { join } from "node:path";
import { runChild, type ChildEnd } from "./child.ts";

export type HubPull = {
  readonly kind: "model" | "dataset";
  /** `Qwen/Qwen2.5-0.5B-Instruct` */
  readonly id: string;
  /** A branch, tag or commit; null = the default branch. */
  readonly revision: string | null;
  readonly root: string;
  readonly python: string;
  /** With the caller's HF_TOKEN, HF_ENDPOINT and proxy variables where they are set. */
  readonly env: { readonly [key: string]: string };
};

const PULL = `
import sys
from huggingface_hub import snapshot_download
kind, repo, revision = sys.argv[1:4]
print("verlpool-snapshot " + snapshot_download(repo, repo_type=kind, revision=revision or None))
`;

const REPO_ID = /^[A-Za-z0-9][A-Za-z0-9._-]*(?:\/[A-Za-z0-9][A-Za-z0-9._-]*)?$/;

/** Gives the snapshot's directory. Interrupted downloads go on where they stopped. Throws with what to do. */
export async function pullFromHub(pull: HubPull, progress: (text: string) => void, signal: AbortSignal): Promise<string> {
  if (!REPO_ID.test(pull.id)) throw new Error(`${JSON.stringify(pull.id)} is not a repository of the hub: give OWNER/NAME`);
  const logFile = join(pull.root, "common", "logs", "pull.log");
  const hub = join(pull.root, "common", "hf");
  progress(`pulling the ${pull.kind} ${pull.id} into ${hub}`);
  let snapshot: string | null = null;
  // The caller's HF_HUB_OFFLINE is for jobs; a pull is the one thing that must go out.
  const { HF_HUB_OFFLINE: _offline, TRANSFORMERS_OFFLINE: _alsoOffline, ...env } = pull.env;
  const end = await runChild(
    {
      command: pull.python,
      args: ["-c", PULL, pull.kind, pull.id, pull.revision ?? ""],
      env: { ...env, HF_HOME: hub, HF_HUB_DISABLE_PROGRESS_BARS: "1" },
      cwd: "/",
      logFile,
      onLine: (line) => {
        if (line.startsWith("verlpool-snapshot ")) snapshot = line.slice("verlpool-snapshot ".length);
        return "go_on";
      },
    },
    signal,
  );
  if (end.exitCode === 0 && snapshot !== null) return snapshot;
  throw new Error(explain(pull, end, logFile));
}

function explain(pull: HubPull, end: ChildEnd, logFile: string): string {
  return `could not pull the ${pull.kind} ${pull.id}: ${hubTrouble(end.tail.join("\n"), pull.id)} The whole log: ${logFile}`;
}

/** What the hub client's last words mean, and what to do. */
export function hubTrouble(words: string, id: string): string {
  if (/GatedRepo/.test(words)) return `${id} is gated. Ask for access on its page, then set HF_TOKEN.`;
  if (/RepositoryNotFound|401 Client Error|404 Client Error/.test(words))
    return `the hub has no such repository, or it is private: check the name, or set HF_TOKEN.`;
  if (/RevisionNotFound/.test(words)) return "the repository has no such revision.";
  if (/No space left/.test(words)) return "the disk is full.";
  if (
    /ConnectionError|ConnectError|ConnectTimeout|Name or service not known|Temporary failure in name resolution|LocalEntryNotFound|Network is unreachable|ProxyError|SSLError|offline/i.test(
      words,
    )
  ) {
    return (
      "the hub can't be reached from this machine. Set HF_ENDPOINT to a mirror or HTTPS_PROXY to a proxy; or pull on a machine that reaches it " +
      "(HF_HOME=<a folder>) and copy that folder's hub/ to common/hf/hub/; or put the files under common/models/ and give that path as model_id."
    );
  }
  return `huggingface_hub said: ${words.split("\n").at(-1) ?? "nothing"}.`;
}
