import type { CommonFiles } from "../control/file-ports.ts";
import type { CallStorage } from "./storage-client.ts";
import { isStorageTrouble } from "./trouble.ts";

/** `check` and `hasModel` answer `unknown` where storage does not; `verlVersion` rejects with StorageTrouble. */
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
    inputs: async ({ codePath, modelId, trainFile, valFile }) => {
      try {
        return await call("trainingInputs", { codePath, modelId, trainFile, valFile });
      } catch (error) {
        if (isStorageTrouble(error)) return { unknown: error.message };
        throw error;
      }
    },
    catalog: () => call("catalog", {}),
    verlVersion: (codePath) => call("verlVersion", { codePath }),
    hasModel: async (id) => {
      try {
        return (await call("hasModel", { id })) ? "there" : "missing";
      } catch (error) {
        if (isStorageTrouble(error)) return "unknown";
        throw error;
      }
    },
  };
}
