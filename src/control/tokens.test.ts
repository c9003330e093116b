import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { looksLikeToken, newToken, sameSecret, tokenHash } from "./tokens.ts";

const ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const anyToken = fc.array(fc.nat(61), { minLength: 30, maxLength: 30 }).map((digits) => {
  const rest = [...digits];
  return newToken(() => rest.shift() ?? 0);
});

describe("a token", () => {
  it("has the contract's shape and its own checksum", () => {
    const token = newToken();
    expect(token).toMatch(/^mvp_u_[0-9A-Za-z]{36}$/);
    expect(looksLikeToken(token)).toBe(true);
    expect(newToken()).not.toBe(token);
  });

  it("with any one character mistyped is refused without a look-up", () => {
    fc.assert(
      fc.property(anyToken, fc.integer({ min: 6, max: 41 }), fc.nat(61), (token, at, other) => {
        const typo = token.slice(0, at) + (ALPHABET[other] ?? "") + token.slice(at + 1);
        expect(looksLikeToken(typo)).toBe(typo === token);
      }),
    );
  });

  it.each([
    "",
    "mvp_u_",
    "mvp-dev-token",
    `mvp_u_${"0".repeat(36)}`,
    `${newToken()} `,
    `${newToken()}0`,
    newToken().replace("mvp_u_", "mvp_a_"),
  ])("%j is none", (text) => {
    expect(looksLikeToken(text)).toBe(false);
  });

  it("is kept as a SHA-256 hash only", () => {
    expect(tokenHash("abc")).toBe("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  });
});

describe("comparison of secrets", () => {
  it("is equality, whatever the lengths", () => {
    fc.assert(fc.property(fc.string(), fc.string(), (a, b) => sameSecret(a, b) === (a === b)));
    expect(sameSecret("ä", "ä")).toBe(true);
  });
});
