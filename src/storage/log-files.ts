import type { LogFiles } from "../control/file-ports.ts";
import type { CallStorage } from "./storage-client.ts";

/** What is known of an attempt from its logs alone; every call rejects with StorageTrouble when storage fails or hangs. */
export function logFiles(call: CallStorage): LogFiles {
  return {
    seek: (userId, submissionId, from) => call("seekLog", { userId, submissionId, from }),
    scan: (userId, submissionId, request) => call("scanLog", { userId, submissionId, ...request }),
    times: (userId, submissionId) => call("readTimes", { userId, submissionId }),
    diagnose: (userId, submissionId, rayMessage) => call("diagnoseLog", { userId, submissionId, rayMessage }),
  };
}
