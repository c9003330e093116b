/** The killable process that touches shared storage, so that a hung mount hangs it and not the API. Ends when its input does. */
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { encodeLine, packResult, type HelperAnswer, type HelperRequest } from "./helper-protocol.ts";
import { isOperationName, runOperation, type OperationName, type Operations, type StorageConfig } from "./operations.ts";
import { errorCode } from "./trouble.ts";

/** Answers requests in order until `input` ends. Both ends are the same program, so arguments are trusted to have the right types. */
export async function serveStorage(input: Readable, output: Writable): Promise<void> {
  for await (const line of createInterface({ input, crlfDelay: Infinity }))
    output.write(encodeLine(answer(JSON.parse(line) as HelperRequest)));
}

function answer({ id, config, op, args }: HelperRequest): HelperAnswer {
  try {
    if (!isOperationName(op)) throw new Error(`no storage operation is named ${op}; restart the server after an upgrade`);
    return { id, result: packResult(runOperation(config as StorageConfig, op, args as Operations[OperationName]["args"] as never)) };
  } catch (error) {
    return { id, error: { message: error instanceof Error ? error.message : String(error), code: errorCode(error) } };
  }
}
