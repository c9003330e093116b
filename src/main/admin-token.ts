/** The admin token: from the environment, never from a flag or a file in the configuration. */
import { ConfigError } from "../config/config.ts";
import { isLoopback } from "./exposure.ts";
import type { Environment } from "./load-config.ts";

const LEAST_LENGTH = 16;
/** What an Authorization header may hold (control/authenticate.ts): a longer one could never be given. */
const MOST_LENGTH = 512;
const DEVELOPMENT_TOKEN = "mvp-dev-token";

/** Throws ConfigError when the variable is unset, empty, short, far too long or the well-known one, unless `--dev` on loopback. */
export function adminToken(variable: string, environment: Environment, dev: boolean, host: string): string {
  const token = environment[variable] ?? "";
  if (dev && !isLoopback(host)) throw new ConfigError(`--dev listens on loopback only, not on ${host}`);
  if (!/^[\x21-\x7e]*$/.test(token)) throw new ConfigError(`${variable} must be printable ASCII without blanks`);
  if (token === "") {
    if (dev) return DEVELOPMENT_TOKEN;
    throw new ConfigError(
      `${variable} is not set: give the admin token there, at least ${LEAST_LENGTH} characters, e.g. ${variable}=$(openssl rand -hex 24)`,
    );
  }
  if (token.length > MOST_LENGTH) throw new ConfigError(`${variable} has ${token.length} characters; at most ${MOST_LENGTH} are possible`);
  if (dev) return token;
  if (token === DEVELOPMENT_TOKEN) throw new ConfigError(`${variable} is the development token; choose another, or start with --dev`);
  if (token.length < LEAST_LENGTH)
    throw new ConfigError(`${variable} has ${token.length} characters; the admin token needs at least ${LEAST_LENGTH}`);
  return token;
}
