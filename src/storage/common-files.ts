import type { CommonFiles } from "../control/ports.ts";
import type { CallStorage } from "./storage-client.ts";
import { isStorageTrouble } from "./trouble.ts";

/** `check` answers `unknown` where storage does not; the other two reject with StorageTrouble. */
export function commonFiles(call: CallStorage): CommonFiles {
  return {
    check: async (path, expect) => {
      try {
        return await call("checkCommon", { path, expect });
      } catch (error) {
        if (isStorageTrouble(error)) return { kind: "unknown", error: error.message };
        throw error;
      }
    },
    verlVersion: (codePath) => call("verlVersion", { codePath }),
    hasModel: (id) => call("hasModel", { id }),
  };
}
