import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { assetFiles } from "./assets.ts";
import { buildId, sourcesDigest } from "./build-id.ts";

let checkout = "";
beforeEach(() => {
  checkout = mkdtempSync(join(tmpdir(), "verlpool-build-"));
  for (const folder of ["src/main", "src/launcher", "web", "dist/web/assets", "scripts"])
    mkdirSync(join(checkout, folder), { recursive: true });
  const files = [
    "package-lock.json",
    "src/main/cli.ts",
    "src/launcher/launch.py",
    "web/page.tsx",
    "scripts/build-sea.ts",
    "dist/web/index.html",
  ];
  for (const name of files) writeFileSync(join(checkout, name), name);
});
afterEach(() => rmSync(checkout, { recursive: true }));

test.each(["package-lock.json", "src/main/cli.ts", "src/launcher/launch.py", "web/page.tsx", "scripts/build-sea.ts", "src/main/new.ts"])(
  "a change of %s makes another build",
  (name) => {
    const before = sourcesDigest(checkout);
    expect(before).toMatch(/^[0-9a-f]{64}$/);
    writeFileSync(join(checkout, name), "another text");
    expect(sourcesDigest(checkout)).not.toBe(before);
  },
);

test("a test, and the page that is built from its sources, make no other build; nor does the place of the checkout", () => {
  const before = sourcesDigest(checkout);
  writeFileSync(join(checkout, "src", "main", "cli.test.ts"), "a test");
  writeFileSync(join(checkout, "dist", "web", "index.html"), "built again");
  expect(sourcesDigest(checkout)).toBe(before);
  const copy = join(checkout, "copy");
  for (const name of ["package-lock.json", "src", "web", "scripts"]) cpSync(join(checkout, name), join(copy, name), { recursive: true });
  expect(sourcesDigest(copy)).toBe(before);
});

test("this checkout has a build id", () => {
  expect(buildId()).toMatch(/^[0-9a-f]{64}$/);
});

test("the built page's files are assets under web/, its scripts too, and its maps are not", () => {
  for (const name of ["index.js", "index.js.map"]) writeFileSync(join(checkout, "dist", "web", "assets", name), name);
  expect(Object.fromEntries(assetFiles(join(checkout, "src")))).toEqual({
    "launcher/launch.py": join(checkout, "src", "launcher", "launch.py"),
    "web/index.html": join(checkout, "dist", "web", "index.html"),
    "web/assets/index.js": join(checkout, "dist", "web", "assets", "index.js"),
  });
});
