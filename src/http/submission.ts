/** From the bytes and parameters of a POST to a Submission: every error of the file at once, with its line. */
import type { Submission as Query } from "../contract/routes.ts";
import { parseTaskSpec } from "../contract/task-spec.ts";
import { AppError } from "../domain/app-error.ts";
import type { Principal } from "../domain/types.ts";
import type { Caller } from "../control/audit.ts";
import type { Submission } from "../control/submit-task.ts";
import { parseLabels } from "./labels.ts";

/** Who the task belongs to: the caller, or, for the admin, the user named by `?user=`. */
function ownerOf(principal: Principal, user: string | undefined): string {
  if (principal.kind === "user") return principal.userId;
  if (user === undefined)
    throw new AppError("bad_parameter", "the admin submits on behalf of a user: say for whom with ?user=<id> (verlpool submit --user)");
  return user;
}

export function instantOf(text: string | undefined): number | null {
  return text === undefined ? null : Date.parse(text);
}

export function millisecondsOf(seconds: number | undefined): number | null {
  return seconds === undefined ? null : Math.round(seconds * 1000);
}

export function readSubmission(principal: Principal, by: Caller, query: Query, body: Buffer, ignoredFields: readonly string[]): Submission {
  const userId = ownerOf(principal, query.user);
  const parsed = parseTaskSpec(body, { ignoredFields });
  if (!parsed.ok) {
    const count = parsed.errors.length;
    const [first] = parsed.errors;
    const detail = count === 1 && first !== undefined ? `${first.field} ${first.message}` : `${count} errors in the TaskSpec`;
    throw new AppError("invalid_spec", detail, { fields: parsed.errors });
  }
  return {
    userId,
    by,
    specText: body.toString("utf8"),
    spec: parsed.spec,
    specWarnings: parsed.warnings,
    lineOf: (field) => parsed.positions.get(field) ?? { line: null, column: null },
    name: query.name ?? null,
    profile: query.profile ?? null,
    priority: query.priority ?? null,
    labels: parseLabels(query.label),
    deadline: instantOf(query.deadline),
    maxRuntimeMs: millisecondsOf(query.max_runtime_s),
  };
}
