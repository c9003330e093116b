/**
 * Who may call, before a byte of the body is read. A token that is valid is never refused for what others of its address did:
 * failures count only against calls that fail.
 */
import { createHash } from "node:crypto";
import type { FastifyRequest } from "fastify";
import type { Route } from "../contract/routes.ts";
import { scopeProblem } from "../domain/access.ts";
import { AppError } from "../domain/app-error.ts";
import type { Principal } from "../domain/types.ts";
import { addressKey } from "./address-key.ts";
import type { HttpDeps } from "./deps.ts";
import { type RateLimiter, rateLimiter } from "./rate-limit.ts";
import { adminRequired, logFailedLogin } from "./refusal-log.ts";
import { singleHeader } from "./single-header.ts";

export type RequestLimits = {
  /** Of one token, sustained and at once. */
  readonly perSecond: number;
  readonly burst: number;
  /** With tokens of one beginning from one address. */
  readonly failedLoginsPerMinute: number;
  /** Open log streams of one user. */
  readonly streams: number;
};

/** The admin, the open routes of one address, and the failures of one address whatever was tried, have so many times as much. */
export const WIDER = 10;
/** Of an Authorization header: `Bearer mvp_u_` and six characters more. */
const BEGINNING = 19;

const NOBODY: Principal = { kind: "user", userId: "", tokenId: "", scope: "metrics" };

/** Throws AppError: rate_limited, what authentication says, admin_required, scope_required. */
export type Admit = (route: Pick<Route, "access" | "method">, request: FastifyRequest) => Promise<Principal>;

export function admission(deps: HttpDeps): Admit {
  const { perSecond, burst, failedLoginsPerMinute } = deps.settings.requests;
  const limiter = (times: number): RateLimiter => rateLimiter({ perSecond: perSecond * times, burst: burst * times }, deps.clock);
  const [users, admins, addresses] = [limiter(1), limiter(WIDER), limiter(WIDER)];
  const failing = (times: number): RateLimiter =>
    rateLimiter({ perSecond: (failedLoginsPerMinute * times) / 60, burst: failedLoginsPerMinute * times }, deps.clock);
  const [failures, allFailures] = [failing(1), failing(WIDER)];
  const rateText = (times: number): string => `${perSecond * times} requests a second, ${burst * times} at once`;

  /** The refusal of a call that has failed anyway: the same whatever the reason, so that it tells nothing of who or what exists. */
  const countFailure = (address: string, authorization: string): void => {
    const wait = Math.max(allFailures.take(address), failures.take(`${address} ${digest(authorization.slice(0, BEGINNING))}`));
    if (wait === 0) return;
    const most = `${failedLoginsPerMinute} a minute with one token, ${failedLoginsPerMinute * WIDER} from one address`;
    throw tooMany(`too many failed logins; the limit is ${most}`, wait);
  };

  const login = async (request: FastifyRequest): Promise<Principal> => {
    const authorization = singleHeader(request, "authorization");
    // Before the look-up: who is over the limit costs the database nothing.
    const key = digest(authorization ?? "");
    refuse(users.waitMs(key), `this token has had its ${rateText(1)}`);
    refuse(admins.waitMs(key), `the admin has had its ${rateText(WIDER)}`);
    const principal = await deps.authenticate(authorization);
    if (principal.kind === "admin") refuse(admins.take(key), `the admin has had its ${rateText(WIDER)}`);
    else refuse(users.take(key), `this token has had its ${rateText(1)}`);
    return principal;
  };

  return async (route, request) => {
    const address = addressKey(request.ip);
    if (route.access === "open") {
      refuse(addresses.take(address), `this address has had its ${rateText(WIDER)}`);
      return NOBODY;
    }
    let principal: Principal;
    try {
      principal = await login(request);
    } catch (error) {
      if (error instanceof AppError && (error.code === "invalid_token" || error.code === "user_disabled")) {
        countFailure(address, request.headers.authorization ?? "");
        // After the count, so that who is over the limit fills no log either.
        logFailedLogin(deps.log, request, error.code);
      }
      throw error;
    }
    if (route.access === "admin" && principal.kind !== "admin") throw adminRequired(deps.log, request, principal);
    return allowed(route, principal);
  };
}

function allowed(route: Pick<Route, "access" | "method">, principal: Principal): Principal {
  const scope = route.access === "open" ? null : scopeProblem(principal, route.access, route.method !== "GET");
  if (scope !== null) throw new AppError("scope_required", scope);
  return principal;
}

function digest(text: string): string {
  return createHash("sha256").update(text).digest("base64url");
}

function refuse(waitMs: number, text: string): void {
  if (waitMs > 0) throw tooMany(text, waitMs);
}

function tooMany(text: string, waitMs: number): AppError {
  return new AppError("rate_limited", text, { retryAfterS: Math.max(1, waitMs / 1000) });
}
