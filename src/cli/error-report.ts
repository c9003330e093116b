/** A failure for people (what happened, to what, what to do) and for programs (problem JSON), and the exit code it means. */
import type { ProblemCode } from "../contract/problem.ts";
import type { Where } from "./context.ts";
import { jsonText, type Paint } from "./output.ts";
import { ApiError, CliError, EXIT } from "./problem-error.ts";
import { specErrorsText, type SpecSource } from "./spec-errors.ts";
import { OTHER_CERTIFICATE } from "./tls-trust.ts";
import { Unreachable } from "./transport.ts";
import { visible, visibleLines } from "./visible.ts";

/** What to do about an answer of the server; codes whose detail says it all have none. */
const ADVICE: { readonly [code in ProblemCode]?: string } = {
  task_not_found: "see your tasks with `verlpool list`; an id may be shortened to its beginning or its end, at least 4 characters",
  missing_token: "log in: verlpool login --token-stdin",
  invalid_token: "it may be mistyped, expired or revoked; log in with a new one: verlpool login --token-stdin",
  user_disabled: "ask the operator of the pool to enable you",
  admin_required: "only the admin may do this; `verlpool whoami` says who you are",
  scope_required: "this token may only read; ask the operator for one of scope full",
  user_exists: "choose another id, or see `verlpool user list`",
  unsupported_verl: "`verlpool profiles` lists the verl versions that can be run",
  unknown_profile: "`verlpool profiles` lists what there is",
  pool_too_small: "`verlpool nodes` shows the pool; ask for fewer nnodes or n_gpus_per_node",
  idempotency_key_reused: "use another --idempotency-key for another task, or leave it out",
  too_large: "a TaskSpec is a short list of fields, at most 16 KiB",
  database_unavailable: "the server will answer again when its database does; try again soon",
  storage_unavailable: "the shared storage does not answer the server; try again soon",
  storage_full: "no space is left on the server's storage; tell the operator",
  internal: "it is a fault of the server; give the operator the request id",
};

function tlsHint(reason: string, where: Where | null): string | null {
  if (reason === OTHER_CERTIFICATE)
    return "its certificate is not the one that the server published or that you logged in with; ask the operator whether it was renewed, then log in again";
  if (reason === "ERR_TLS_CERT_ALTNAME_INVALID")
    return "its certificate is for another name; use the name that it has, as the operator gave it";
  if (reason === "CERT_HAS_EXPIRED" || reason === "CERT_NOT_YET_VALID")
    return "its certificate is out of its time; is this machine's clock right? else tell the operator";
  if (/^ERR_SSL_|^EPROTO$/.test(reason)) return "it does not answer in TLS; should the address begin with http://?";
  if (/CERT|SELF_SIGNED|ERR_TLS|UNABLE_TO/.test(reason))
    return "its certificate is not trusted here; name its CA's file: verlpool login --token-stdin --ca-file FILE, or VERLPOOL_CA_FILE=FILE";
  if (/^UND_ERR_SOCKET$|^ECONNRESET$/.test(reason) && where?.url.startsWith("http:") === true)
    return "it closed the connection; does its address begin with https://?";
  return null;
}

function unreachableHints(reason: string, where: Where | null): readonly string[] {
  const from = where === null ? [] : [`the address comes from ${visible(where.urlFrom)}`];
  const tls = tlsHint(reason, where);
  if (tls !== null) return [...from, tls];
  if (reason === "ENOTFOUND" || reason === "EAI_AGAIN") return [...from, "no such host is known; is VERLPOOL_URL right?"];
  return [...from, "is the server running (`verlpool status` on its machine), and can this machine reach it?"];
}

type Report = {
  readonly code: string;
  readonly what: string;
  readonly hints: readonly string[];
  readonly exit: number;
  readonly raw: unknown;
};

function reportOf(error: unknown, where: Where | null): Report {
  if (error instanceof ApiError) {
    const { code, detail, status } = error.problem;
    // Where the server's words name it already, once is enough.
    const about = error.about === null || detail.includes(error.about) ? "" : `: ${visible(error.about)}`;
    const advice = (ADVICE as { readonly [code: string]: string | undefined })[code];
    const wait = error.retryAfterMs === null ? [] : [`try again in ${Math.ceil(error.retryAfterMs / 1000)} s`];
    const id = status >= 500 && error.requestId !== null ? [`request id: ${visible(error.requestId)}`] : [];
    return {
      code,
      what: `${visible(detail)}${about}`,
      hints: [...(advice === undefined ? [] : [advice]), ...wait, ...id],
      exit: error.exit,
      raw: error.raw,
    };
  }
  if (error instanceof CliError) return { code: error.code, what: error.message, hints: error.hints, exit: error.exit, raw: null };
  if (error instanceof Unreachable) {
    const what = `the server at ${visible(where?.url ?? new URL(error.url).origin)} does not answer (${visible(error.reason)})`;
    return { code: "unreachable", what, hints: unreachableHints(error.reason, where), exit: EXIT.error, raw: null };
  }
  const what = error instanceof Error ? error.message : String(error);
  return { code: "error", what: visibleLines(what), hints: [], exit: EXIT.error, raw: null };
}

export type ErrorContext = {
  readonly json: boolean;
  readonly where: Where | null;
  readonly paint: Paint;
  readonly source: SpecSource | null;
};

/** The text for stderr, without a last line end, and the exit code. */
export function reportError(error: unknown, context: ErrorContext): { readonly text: string; readonly exit: number } {
  const report = reportOf(error, context.where);
  if (context.json) {
    const problem = report.raw ?? {
      type: `about:blank#${report.code}`,
      title: "verlpool",
      detail: [report.what, ...report.hints].join("\n"),
      code: report.code,
    };
    return { text: jsonText(problem), exit: report.exit };
  }
  const { source } = context;
  // What is wrong with a parameter has no place in a file, and the server's detail says all of it.
  const errors = error instanceof ApiError && error.problem.code !== "bad_parameter" ? (error.problem.errors ?? []) : [];
  const places = errors.length === 0 ? [] : [specErrorsText(errors, source ?? { file: "request", text: "" }, context.paint), ""];
  // With every error shown at its place, the server's summary of them says nothing more.
  const count = `${errors.length} ${errors.length === 1 ? "error" : "errors"}`;
  const what = errors.length > 0 && source !== null ? `${count} in ${visible(source.file)}; nothing was submitted` : report.what;
  const lines = [`${context.paint(["red", "bold"], "error:")} ${what}`, ...report.hints.map((hint) => `  ${hint}`)];
  return { text: [...places, ...lines].join("\n"), exit: report.exit };
}
