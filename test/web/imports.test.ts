/** The page is a thin client: of the program it knows the wire's types, and two files that import nothing themselves. */
import { globSync, readFileSync } from "node:fs";
import { join, posix } from "node:path";
import { expect, test } from "vitest";
import { readFacts } from "../architecture/source-facts.ts";

const web = join(import.meta.dirname, "../../web/src");
const VALUES = ["src/domain/task-state.ts", "src/contract/template.ts"];
const PACKAGES = ["react", "react-dom/client", "@tanstack/react-query", "@tanstack/react-virtual", "wouter", "uplot"];

function strangers(path: string, source: string): readonly string[] {
  return readFacts(path, source).imports.flatMap(({ specifier, typeOnly, line }) => {
    const target = specifier.startsWith(".") ? posix.join("web/src", posix.dirname(path), specifier) : specifier;
    const isOwn = target.startsWith("web/src/") || PACKAGES.includes(target) || VALUES.includes(target);
    const isType = typeOnly && /^src\/(?:contract|domain)\//.test(target);
    return isOwn || isType || (typeOnly && target === "zod") ? [] : [`${path}:${line}: ${target}`];
  });
}

test("no file of the page imports more than it may", () => {
  const files = globSync("**/*.{ts,tsx}", { cwd: web }).filter((path) => !path.endsWith(".d.ts"));
  expect(files.length).toBeGreaterThan(40);
  expect(files.flatMap((path) => strangers(path, readFileSync(join(web, path), "utf8")))).toEqual([]);
});

test.each([
  [`import { ROUTES } from "../../src/contract/routes.ts";`],
  [`import { asset } from "../../src/main/assets.ts";`],
  [`import { readFileSync } from "node:fs";`],
  [`import type { Store } from "../../src/control/ports.ts";`],
])("a planted import is caught: %s", (source) => {
  expect(strangers("a.tsx", source)).toHaveLength(1);
});
