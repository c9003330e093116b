import { describe, expect, it } from "vitest";
import { actorOf, maySee, scopeProblem } from "./access.ts";
import type { Principal, TokenScope } from "./types.ts";

const ADMIN: Principal = { kind: "admin" };
const alice = (scope: TokenScope = "full"): Principal => ({ kind: "user", userId: "alice", tokenId: "tok_1", scope });

describe("who may see a task", () => {
  it("its owner and the admin, nobody else", () => {
    expect(maySee(alice(), { userId: "alice" })).toBe(true);
    expect(maySee(ADMIN, { userId: "alice" })).toBe(true);
    expect(maySee(alice(), { userId: "alice2" })).toBe(false);
  });

  it("actors are named by who they are", () => {
    expect([actorOf(ADMIN), actorOf(alice())]).toEqual(["admin", "user:alice"]);
  });
});

describe("scopes of a token", () => {
  const rows: readonly [TokenScope, "any" | "user" | "admin", boolean, boolean][] = [
    ["full", "user", true, true],
    ["full", "admin", true, true],
    ["read", "user", false, true],
    ["read", "user", true, false],
    ["read", "any", true, true],
    ["metrics", "any", false, true],
    ["metrics", "user", false, false],
    ["metrics", "user", true, false],
  ];
  it.each(rows)("%s on a route for %s, writing %s: allowed %s", (scope, access, writes, allowed) => {
    expect(scopeProblem(alice(scope), access, writes) === null).toBe(allowed);
  });

  it("the admin's token has no scope", () => {
    expect(scopeProblem(ADMIN, "admin", true)).toBeNull();
  });
});
