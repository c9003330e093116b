/** pino JSON on stderr: a static message, everything else in fields. What may hold a secret never reaches a line. */
import { pino } from "pino";
import type { Log } from "../control/ports.ts";

const SECRET = ["token", "authorization", "*.token", "*.authorization", "headers.authorization", "env", "*.env", "database_url"];

/** `alsoTo`: a file on this machine's own disk that gets every line as well. */
export function createLog(level: "debug" | "info" | "warn" | "error", alsoTo: string | null = null): Log {
  const stderr = pino.destination({ dest: 2, sync: true });
  const options = { level, redact: { paths: SECRET, censor: "[redacted]" }, base: null, timestamp: pino.stdTimeFunctions.isoTime };
  if (alsoTo === null) return pino(options, stderr);
  const file = pino.destination({ dest: alsoTo, sync: true, append: true, mode: 0o600 });
  return pino(
    options,
    pino.multistream([
      { level, stream: stderr },
      { level, stream: file },
    ]),
  );
}
