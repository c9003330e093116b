import { expect, test } from "vitest";
import { sqlitePath } from "./open-store.ts";

test.each([
  ["sqlite:/srv/mvp.sqlite3", "/srv/mvp.sqlite3"],
  ["sqlite:///srv/mvp.sqlite3", "/srv/mvp.sqlite3"],
  ["sqlite:mvp.sqlite3", "mvp.sqlite3"],
  ["file:///srv/mvp.sqlite3", "/srv/mvp.sqlite3"],
  ["/srv/mvp.sqlite3", "/srv/mvp.sqlite3"],
  [":memory:", ":memory:"],
])("%s is the file %s", (url, path) => {
  expect(sqlitePath(url)).toBe(path);
});

test.each(["mysql://u:hunter2@h/x", "postgres//u:hunter2@h/x", "Postgres+psycopg://u:hunter2@h/x", "redis:hunter2"])(
  "%s becomes no file, and its password no message",
  (url) => {
    expect(() => sqlitePath(url)).toThrow("database.url is none that verlpool knows");
    expect(() => sqlitePath(url)).not.toThrow("hunter2");
  },
);
