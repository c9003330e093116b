import { PassThrough, Readable } from "node:stream";
import { expect, test } from "vitest";
import { sendEnvironment, shownEnvironment, takeEnvironment } from "./hidden-environment.ts";

test("a process is started with harmless names and has the rest from its stdin", async () => {
  const environment = { PATH: "/bin", MVP_INTERNAL_TOKEN: "secret", VERLPOOL_DATABASE_URL: "postgres://u:ü@h/x" };
  const own: { [name: string]: string | undefined } = shownEnvironment(environment);
  expect(own).toEqual({ PATH: "/bin" });
  const stdin = new PassThrough();
  sendEnvironment(stdin, environment);
  await takeEnvironment(stdin, own);
  expect(own).toEqual(environment);
});

test("a stdin that brings none is an error, not an empty environment", async () => {
  await expect(takeEnvironment(Readable.from([]), {})).rejects.toThrow("JSON");
});
