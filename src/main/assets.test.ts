import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { isAssetFile } from "./asset-file.ts";
import { asset, assetBytes, assetNames, sourceRoot } from "./assets.ts";
import { self, storageHelper } from "./self.ts";

test("an asset is read as text and as bytes from the source tree", () => {
  const [name = ""] = assetNames("python");
  const path = join(sourceRoot ?? "", name);
  expect(name).toMatch(/^python\/.+\.py$/);
  expect(asset(name)).toBe(readFileSync(path, "utf8"));
  expect(Buffer.from(assetBytes(name)).equals(readFileSync(path))).toBe(true);
});

test("an asset that the build lacks says which one and what to do", () => {
  expect(() => asset("python/absent.py")).toThrow(/lacks its file python\/absent\.py: reinstall/);
});

test.each([
  "main/assets.ts",
  "../package.json",
  "python/../../package.json",
  "/etc/passwd",
  "python/.hidden",
  "python/__pycache__/a.pyc",
  "",
  "a.py",
])("%j is no asset", (name) => {
  expect(isAssetFile(name)).toBe(false);
  expect(() => asset(name)).toThrow("is no asset");
});

test("the names below a folder are sorted and belong to it alone", () => {
  const names = assetNames("python");
  expect(names).toEqual(names.toSorted());
  expect(names.every((name) => name.startsWith("python/"))).toBe(true);
  expect(assetNames("pyth")).toEqual([]);
});

test("a program in a checkout starts itself again with the same Node and the command line's source", () => {
  const { command, args } = self("internal", "up");
  expect(command).toBe(process.execPath);
  expect(args.at(-3)).toMatch(/\/main\/cli\.(ts|js)$/);
  expect(args.slice(-2)).toEqual(["internal", "up"]);
  expect(storageHelper().args.at(-1)).toMatch(/\/main\/storage-process\.(ts|js)$/);
});
