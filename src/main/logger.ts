/** pino JSON on stderr: a static message, everything else in fields. What may hold a secret never reaches a line. */
import { pino } from "pino";
import type { Log } from "../control/ports.ts";

const SECRET = ["token", "authorization", "*.token", "*.authorization", "headers.authorization", "env", "*.env", "database_url"];

export function createLog(level: "debug" | "info" | "warn" | "error"): Log {
  return pino(
    { level, redact: { paths: SECRET, censor: "[redacted]" }, base: null, timestamp: pino.stdTimeFunctions.isoTime },
    pino.destination({ dest: 2, sync: true }),
  );
}
