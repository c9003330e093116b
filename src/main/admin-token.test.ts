import { expect, test } from "vitest";
import { ConfigError } from "../config/config.ts";
import { adminToken } from "./admin-token.ts";

const start = (token: string | undefined, dev = false, host = "127.0.0.1") => adminToken("T", { T: token }, dev, host);
const GOOD = "0123456789abcdef";

test("a token of 16 to 512 printable characters is taken", () => {
  expect(start(GOOD)).toBe(GOOD);
  expect(start(GOOD, false, "0.0.0.0")).toBe(GOOD);
  expect(start("x".repeat(512))).toHaveLength(512);
});

test.each([undefined, "", "x", "0123456789abcde", "mvp-dev-token", "0123456789 abcdef", "0123456789abcdeé", "x".repeat(513)])(
  "the server does not start with %j",
  (token) => {
    expect(() => start(token)).toThrow(ConfigError);
  },
);

test("--dev takes any token, has one of its own, and listens on loopback only", () => {
  expect(start(undefined, true)).toBe("mvp-dev-token");
  expect(start("x", true)).toBe("x");
  expect(() => start("x", true, "0.0.0.0")).toThrow("loopback");
});
