/** Pages that list what the code has, held to the code. */
import { existsSync, globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { KEYS } from "../src/config/config.ts";
import { PROBLEMS } from "../src/contract/problem.ts";
import { VERSION } from "../src/main/version.ts";

const root = join(import.meta.dirname, "..");
const read = (path: string): string => readFileSync(join(root, path), "utf8");
/** The first cells of a Markdown table's rows that hold one `code` word. */
const listed = (page: string): string[] => [...read(page).matchAll(/^\| `([^`]+)`/gm)].map(([, name]) => name ?? "");

test("docs/errors.md lists every problem code with its status, and no other", () => {
  expect(listed("docs/errors.md").toSorted()).toEqual(Object.keys(PROBLEMS).toSorted());
  for (const [code, { status }] of Object.entries(PROBLEMS)) expect(read("docs/errors.md")).toContain(`| \`${code}\` | ${status} |`);
});

test("docs/configuration.md lists every key with its default, and no other", () => {
  expect(listed("docs/configuration.md")).toEqual(Object.keys(KEYS));
  for (const [name, key] of Object.entries(KEYS))
    expect(read("docs/configuration.md")).toContain(`| \`${name}\` | \`${JSON.stringify(key.fallback)}\` | ${key.about} |`);
});

test("every page that the sources or other pages point to exists", () => {
  const missing: string[] = [];
  for (const file of globSync(["src/**/*.{ts,py}", "test/**/*.ts", "scripts/*.{ts,mjs}", "*.md"], { cwd: root })) {
    for (const [, page = ""] of read(file).matchAll(/\b(docs\/[a-z0-9/-]+\.md)\b/g))
      if (!existsSync(join(root, page))) missing.push(`${file}: ${page}`);
  }
  for (const file of globSync("docs/**/*.md", { cwd: root })) {
    for (const [, page = ""] of read(file).matchAll(/\]\(([a-z0-9/.-]+\.md)\)/g))
      if (!existsSync(join(root, file, "..", page))) missing.push(`${file}: ${page}`);
  }
  expect(missing).toEqual([]);
});

test("the version of the code is that of the package", () => {
  expect(JSON.parse(read("package.json")).version).toBe(VERSION);
});
