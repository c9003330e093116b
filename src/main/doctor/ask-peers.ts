/** The two processes that try the storage; a mount that hangs makes them silent, not us. */
import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { clock } from "../clock.ts";
import { self } from "../self.ts";
import type { Question } from "./peer.ts";

export type Peer = {
  /** Rejects with the peer's error, or after the deadline. */
  readonly ask: <T>(question: Question) => Promise<T>;
  readonly close: () => void;
};

export class StorageSilent extends Error {
  override readonly name = "StorageSilent";
}

const ANSWER_MS = 15_000;

export function startPeer(): Peer {
  const { command, args } = self("internal", "doctor-peer");
  const child: ChildProcess = spawn(command, args, { stdio: ["pipe", "pipe", "ignore"] });
  child.on("error", () => undefined);
  child.stdin?.on("error", () => undefined);
  const waiting: ((answer: { readonly value?: unknown; readonly error?: string }) => void)[] = [];
  if (child.stdout !== null) {
    createInterface({ input: child.stdout }).on("line", (line) =>
      waiting.shift()?.(JSON.parse(line) as { readonly value?: unknown; readonly error?: string }),
    );
  }
  child.once("exit", () => {
    for (const answer of waiting.splice(0)) answer({ error: "the process that asks the storage ended" });
  });
  return {
    ask: async <T>(question: Question): Promise<T> => {
      const answered = new Promise<{ readonly value?: unknown; readonly error?: string }>((resolve) => waiting.push(resolve));
      child.stdin?.write(`${JSON.stringify(question)}\n`);
      const over = new AbortController();
      const late = clock.sleep(ANSWER_MS, over.signal).then(
        () => null,
        () => null,
      );
      const answer = await Promise.race([answered, late]);
      over.abort();
      if (answer === null) throw new StorageSilent(`the storage did not answer within ${ANSWER_MS / 1000} s`);
      if (answer.error !== undefined) throw new Error(answer.error);
      return answer.value as T;
    },
    close: () => {
      child.stdin?.end();
      child.kill("SIGKILL");
      child.unref();
    },
  };
}
