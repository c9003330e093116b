/**
 * How a process that runs on is started with secrets: what stands in /proc/PID/environ is read by every process of its uid, jobs among them, and
 * can't be taken back. So only harmless names stand there, and the whole environment comes over stdin.
 */
import type { Readable, Writable } from "node:stream";
import { z } from "zod";
import { visibleEnv } from "../../pool/plain-env.ts";
import type { Environment } from "../load-config.ts";

const Whole = z.record(z.string(), z.string());

/** What the process may be started with. */
export const shownEnvironment = visibleEnv;

/** Gives the whole of it to a process that was started with `shownEnvironment`; one that ended already is told by its exit. */
export function sendEnvironment(stdin: Writable, environment: Environment): void {
  stdin.on("error", () => undefined);
  stdin.end(JSON.stringify(environment));
}

/** Adds what comes over `stdin` to the process's own environment, which the kernel does not show. */
export async function takeEnvironment(stdin: Readable, own: { [name: string]: string | undefined }): Promise<void> {
  const parts: Buffer[] = [];
  for await (const part of stdin as AsyncIterable<Buffer>) parts.push(part);
  Object.assign(own, Whole.parse(JSON.parse(Buffer.concat(parts).toString("utf8"))));
}
