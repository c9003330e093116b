import { expect, test } from "vitest";
import { AppError } from "../domain/app-error.ts";
import { databaseTrouble, withTrouble } from "./trouble.ts";

const failing = (fields: object, message = "x"): Error => Object.assign(new Error(message), fields);

test.each([
  [failing({ code: "ERR_SQLITE_ERROR", errcode: 5 }), "database_unavailable"],
  [failing({ code: "ERR_SQLITE_ERROR", errcode: 10 | (2 << 8) }), "database_unavailable"],
  [failing({ code: "ERR_SQLITE_ERROR", errcode: 13 }), "storage_full"],
  [failing({ code: "53100" }), "storage_full"],
  [failing({ code: "57P01" }), "database_unavailable"],
  [failing({ code: "ECONNREFUSED" }), "database_unavailable"],
  [failing({}, "Connection terminated unexpectedly"), "database_unavailable"],
])("%o means %s", (error, code) => {
  expect(databaseTrouble(error)).toMatchObject({ code, cause: error });
});

test.each([
  failing({ code: "ERR_SQLITE_ERROR", errcode: 19 }),
  failing({ code: "23505" }),
  failing({}),
  new AppError("wrong_state", "x"),
  "text",
])("%o is passed on as it is", (error) => {
  expect(databaseTrouble(error)).toBe(error);
});

test("wrapped methods keep their answers and translate their rejections", async () => {
  const methods = withTrouble({ ok: (n: number) => Promise.resolve(n + 1), bad: () => Promise.reject(failing({ errcode: 13 })) });
  expect(await methods.ok(1)).toBe(2);
  await expect(methods.bad()).rejects.toMatchObject({ code: "storage_full" });
});
