import { expect, test } from "vitest";
import { cliWorld, refuse, unreachable, URL_OF_SERVER } from "../support/cli-world.ts";

const CONTEXT = "/home/alice/.config/verlpool/context.json";
const limits = { max_queued: 50, max_running: null, max_gpus: 8, submits_per_minute: null, max_storage_gib: null, max_priority: 0 };
const me = {
  role: "user",
  user_id: "alice",
  display_name: "Alice",
  state: "ACTIVE",
  scope: "full",
  limits,
  storage: { bytes: 3 * 2 ** 30, measured_at: "2026-08-01T11:55:00.000Z" },
  jobs_dir: "/private/users/alice/jobs",
  version: "2.5.0",
} as const;
const admin = {
  ...me,
  role: "admin",
  user_id: null,
  display_name: null,
  state: null,
  scope: null,
  limits: null,
  storage: null,
  jobs_dir: null,
};
const context = (url = URL_OF_SERVER, token = "mvp_u_stored") => JSON.stringify({ schema: 1, url, token });
const api = (url: string) => JSON.stringify({ schema: 1, url, ca_fingerprint: null, at: "2026-08-01T12:00:00.000Z" });
const routes = { me: { json: me } };

test("without a token every command exits 4 and names the three ways to log in", async () => {
  const cli = cliWorld({ env: {} });
  expect(await cli.run("list")).toBe(4);
  expect(cli.stderr()).toContain("not logged in");
  for (const way of ["verlpool login --token-stdin", "VERLPOOL_URL", "verlpool up"]) expect(cli.stderr()).toContain(way);
});

test("with --json the failure to log in is a problem document of its own code", async () => {
  const cli = cliWorld({ env: {} });
  expect(await cli.run("list", "--json")).toBe(4);
  expect(JSON.parse(cli.stderr())).toMatchObject({ type: "about:blank#not_logged_in", code: "not_logged_in" });
});

test("login reads the token from stdin, asks who it is, and keeps it only for this user", async () => {
  const cli = cliWorld({ env: { VERLPOOL_URL: `${URL_OF_SERVER}/` }, stdin: "  mvp_u_new\n", routes });
  expect(await cli.run("login", "--token-stdin")).toBe(0);
  expect(cli.calls[0]?.headers["authorization"]).toBe("Bearer mvp_u_new");
  expect(JSON.parse(cli.textOf(CONTEXT) ?? "")).toEqual({ schema: 1, url: URL_OF_SERVER, token: "mvp_u_new" });
  expect(cli.stderr()).toContain("logged in as alice");
  expect(cli.stdout() + cli.stderr()).not.toContain("mvp_u_new");
});

test("after login commands go to that server with that token, and logout forgets it", async () => {
  const cli = cliWorld({ env: {}, stdin: "mvp_u_new", routes });
  expect(await cli.run("login", "--token-stdin", "--url", URL_OF_SERVER)).toBe(0);
  expect(await cli.run("whoami")).toBe(0);
  expect(cli.calls.at(-1)?.headers["authorization"]).toBe("Bearer mvp_u_new");
  expect(await cli.run("logout")).toBe(0);
  expect(cli.textOf(CONTEXT)).toBeNull();
  expect(await cli.run("whoami")).toBe(4);
  expect(await cli.run("logout")).toBe(0);
  expect(cli.stderr()).toContain("was not logged in");
});

test("a token that the server refuses is not kept: exit 4", async () => {
  const cli = cliWorld({ env: {}, stdin: "mvp_u_bad", routes: { me: refuse("invalid_token", "invalid token") } });
  expect(await cli.run("login", "--token-stdin", "--url", URL_OF_SERVER)).toBe(4);
  expect(cli.textOf(CONTEXT)).toBeNull();
});

test("login to a server that is away keeps nothing: exit 1", async () => {
  const cli = cliWorld({ env: {}, stdin: "mvp_u_x", routes: { me: () => unreachable("ENOTFOUND") } });
  expect(await cli.run("login", "--token-stdin", "--url", URL_OF_SERVER)).toBe(1);
  expect(cli.stderr()).toContain("no such host is known");
  expect(cli.textOf(CONTEXT)).toBeNull();
});

test.each([
  [["login"], "tok", 2, "read from stdin"],
  [["login", "--token-stdin"], "tok", 2, "which server?"],
  [["login", "--token-stdin", "--url", "ftp://x"], "tok", 2, "must be http or https"],
  [["login", "--token-stdin", "--url", "x"], "tok", 2, "is not a URL"],
  [["login", "--token-stdin", "--url", "http://a:b@x"], "tok", 2, "must not hold a user"],
  [["login", "--token-stdin", "--url", URL_OF_SERVER], "", 4, "not one line of printable ASCII"],
  [["login", "--token-stdin", "--url", URL_OF_SERVER], "two tokens\nhere", 4, "not one line of printable ASCII"],
])("%j with %j on stdin exits %i", async (argv, stdin, exit, text) => {
  const cli = cliWorld({ env: {}, stdin, routes });
  expect(await cli.run(...argv)).toBe(exit);
  expect(cli.stderr()).toContain(text);
  expect(cli.calls).toEqual([]);
  expect(cli.textOf(CONTEXT)).toBeNull();
});

test("login warns of an address that is not encrypted and of variables that go before it", async () => {
  const world = { env: { VERLPOOL_TOKEN: "other" }, stdin: "mvp_u_x", tty: true, routes };
  const cli = cliWorld(world);
  expect(await cli.run("login", "--token-stdin", "--url", "http://10.0.0.1:8080")).toBe(0);
  expect(cli.stderr()).toContain("is not encrypted");
  expect(cli.stderr()).toContain("VERLPOOL_TOKEN is set");
  const local = cliWorld({ ...world, env: {} });
  await local.run("login", "--token-stdin", "--url", "http://127.0.0.1:1", "--json");
  expect(local.stderr()).not.toContain("warning");
  expect(JSON.parse(local.stdout())).toEqual(me);
});

test("the environment goes before the context file", async () => {
  const cli = cliWorld({ files: { [CONTEXT]: context("http://elsewhere:1") }, routes });
  expect(await cli.run("whoami")).toBe(0);
  expect(cli.calls[0]?.headers["authorization"]).toBe("Bearer mvp_u_test");
});

test("XDG_CONFIG_HOME moves the context file", async () => {
  const cli = cliWorld({ env: { XDG_CONFIG_HOME: "/cfg/" }, files: { "/cfg/verlpool/context.json": context() }, routes });
  expect(await cli.run("whoami")).toBe(0);
});

test("the stored token is never sent to another address than its own", async () => {
  const cli = cliWorld({ env: { VERLPOOL_URL: "http://evil:8080" }, files: { [CONTEXT]: context() }, routes });
  expect(await cli.run("whoami")).toBe(4);
  expect(cli.calls).toEqual([]);
  expect(cli.stderr()).toContain("not logged in at http://evil:8080");
});

test("a context file that others can change is not read; one that others can read is warned of", async () => {
  const changed = cliWorld({ env: {}, files: { [CONTEXT]: { text: context(), mode: 0o666 } }, routes });
  expect(await changed.run("whoami")).toBe(1);
  expect(changed.stderr()).toContain("can be changed by others");
  expect(changed.calls).toEqual([]);
  const stranger = cliWorld({ env: {}, files: { [CONTEXT]: { text: context(), mode: 0o600, uid: 77 } }, routes });
  expect(await stranger.run("whoami")).toBe(1);
  const read = cliWorld({ env: {}, files: { [CONTEXT]: { text: context(), mode: 0o644 } }, routes });
  expect(await read.run("whoami")).toBe(0);
  expect(read.stderr()).toContain("others can read your token");
});

test("a context file that is not understood says how to write it again, and does not stop login", async () => {
  const files = { [CONTEXT]: "{" };
  const broken = cliWorld({ env: {}, files, routes });
  expect(await broken.run("whoami")).toBe(1);
  expect(broken.stderr()).toContain("verlpool login");
  const again = cliWorld({ env: {}, files, stdin: "mvp_u_x", routes });
  expect(await again.run("login", "--token-stdin", "--url", URL_OF_SERVER)).toBe(0);
});

test("the address is found on the shared storage when nothing else names it", async () => {
  const found = cliWorld({
    env: { VERLPOOL_TOKEN: "t", VERLPOOL_ROOT: "/pool/" },
    files: { "/pool/ray/discovery/main/api.json": api(URL_OF_SERVER) },
    routes,
  });
  expect(await found.run("whoami")).toBe(0);
  expect(found.stdout()).toContain("from /pool/ray/discovery/main/api.json");
  const canonical = cliWorld({
    env: { VERLPOOL_TOKEN: "t" },
    files: { "/private/ray/discovery/main/api.json": api(URL_OF_SERVER) },
    routes,
  });
  expect(await canonical.run("whoami")).toBe(0);
});

test("an address that anybody could have written on the shared storage is not believed", async () => {
  const files = { "/private/ray/discovery/main/api.json": { text: api(URL_OF_SERVER), mode: 0o666 } };
  const cli = cliWorld({ env: { VERLPOOL_TOKEN: "t" }, files, routes });
  expect(await cli.run("whoami")).toBe(1);
  expect(cli.stderr()).toContain("no server is known");
  expect(cli.calls).toEqual([]);
});

test("several clusters on one storage must be chosen from", async () => {
  const files = { "/private/ray/discovery/a/api.json": api("http://a:1"), "/private/ray/discovery/b/api.json": api(URL_OF_SERVER) };
  const cli = cliWorld({ env: { VERLPOOL_TOKEN: "t" }, files, routes });
  expect(await cli.run("whoami")).toBe(2);
  expect(cli.stderr()).toContain("VERLPOOL_POOL_CLUSTER");
  const chosen = cliWorld({ env: { VERLPOOL_TOKEN: "t", VERLPOOL_POOL_CLUSTER: "b" }, files, routes });
  expect(await chosen.run("whoami")).toBe(0);
});

test("whoami shows who, limits, and where server and token come from; --json the API's object", async () => {
  const cli = cliWorld({ routes });
  expect(await cli.run("whoami")).toBe(0);
  for (const text of [
    "alice",
    "/private/users/alice/jobs",
    "max_queued 50, max_running none",
    "(from VERLPOOL_URL), version 2.5.0",
    "from VERLPOOL_TOKEN",
  ])
    expect(cli.stdout()).toContain(text);
  const json = cliWorld({ routes });
  await json.run("whoami", "--json");
  expect(JSON.parse(json.stdout())).toEqual(me);
  const boss = cliWorld({ routes: { me: { json: admin } } });
  await boss.run("whoami");
  expect(boss.stdout()).toContain("the admin");
});

test.each([
  ["missing_token", "missing bearer token"],
  ["invalid_token", "invalid token"],
  ["user_disabled", "user disabled"],
  ["admin_required", "admin required"],
] as const)("%s exits 4 with the server's words and what to do", async (code, detail) => {
  const cli = cliWorld({ routes: { listUsers: refuse(code, detail) } });
  expect(await cli.run("user", "list")).toBe(4);
  const [first = "", advice = ""] = cli.stderr().split("\n");
  expect(first).toContain(detail);
  expect(advice.trim()).not.toBe("");
});

const user = { user_id: "bob", display_name: null, state: "ACTIVE", limits, created_at: "2026-08-01T11:00:00.000Z" } as const;

test("user create, disable, enable", async () => {
  const cli = cliWorld({
    routes: { createUser: { json: user }, disableUser: { json: { ...user, state: "DISABLED" } }, enableUser: { json: user } },
  });
  expect(await cli.run("user", "create", "bob", "--display-name", "Bob B")).toBe(0);
  expect(cli.calls[0]?.json).toEqual({ user_id: "bob", display_name: "Bob B" });
  expect(cli.stderr()).toContain("verlpool token create bob");
  expect(await cli.run("user", "disable", "bob", "--cancel-tasks")).toBe(0);
  expect(cli.calls[1]?.query).toEqual({ cancel_tasks: "true" });
  expect(cli.stdout()).toContain("DISABLED");
  expect(await cli.run("user", "enable", "bob", "--json")).toBe(0);
  expect(cli.stdout()).toContain('"user_id": "bob"');
});

test("an id with characters of a path stays one segment", async () => {
  const cli = cliWorld({ routes: { enableUser: refuse("not_found", "user not found") } });
  expect(await cli.run("user", "enable", "../x/y")).toBe(1);
  expect(cli.calls[0]?.path).toEqual({ user_id: "../x/y" });
});

test("a user that exists exits 1", async () => {
  const cli = cliWorld({ routes: { createUser: refuse("user_exists", "user exists") } });
  expect(await cli.run("user", "create", "bob")).toBe(1);
  expect(cli.stderr()).toContain("user exists: bob");
});

test("user list reads all pages; user limits shows or sets", async () => {
  const paged = {
    listUsers: (_: unknown, nth: number) => ({
      json: { users: [{ ...user, user_id: `u${nth}` }], next_cursor: nth % 2 === 1 ? "c" : null },
    }),
  };
  const list = cliWorld({ routes: paged });
  expect(await list.run("user", "list")).toBe(0);
  expect(list.stdout()).toMatch(/u1 +ACTIVE +1h ago +50 +none +8/);
  expect(list.stdout()).toContain("u2");
  const json = cliWorld({ routes: paged });
  await json.run("user", "list", "--json");
  expect((JSON.parse(json.stdout()) as { users: unknown[] }).users).toHaveLength(2);
  const shown = cliWorld({ routes: paged });
  expect(await shown.run("user", "limits", "u2")).toBe(0);
  expect(shown.stdout()).toContain("max queued");
  expect(await cliWorld({ routes: paged }).run("user", "limits", "nobody")).toBe(1);
  const set = cliWorld({ routes: { setLimits: { json: user } } });
  const flags = ["--max-queued", "none", "--max-running", "2", "--max-gpus", "0", "--submits-per-minute", "9", "--max-priority", "-1"];
  expect(await set.run("user", "limits", "bob", ...flags)).toBe(0);
  expect(set.calls[0]?.json).toEqual({ max_queued: null, max_running: 2, max_gpus: 0, submits_per_minute: 9, max_priority: -1 });
  expect(await set.run("user", "limits", "bob", "--max-gpus", "many")).toBe(2);
  const nobody = cliWorld({ routes: { listUsers: { json: { users: [], next_cursor: null } } } });
  expect(await nobody.run("user", "list")).toBe(0);
  expect(nobody.stderr()).toContain("no users");
});

const token = {
  token_id: "tok1",
  user_id: "bob",
  name: "cli",
  scope: "full",
  last4: "wxyz",
  created_at: "2026-08-01T11:00:00.000Z",
  expires_at: null,
} as const;

test("token create prints the token alone on stdout", async () => {
  const cli = cliWorld({ routes: { createToken: { json: { ...token, token: "mvp_u_secret" } } } });
  expect(await cli.run("token", "create", "bob", "--name", "laptop", "--scope", "read", "--expires", "+30d")).toBe(0);
  expect(cli.stdout()).toBe("mvp_u_secret\n");
  expect(cli.stderr()).not.toContain("secret");
  expect(cli.calls[0]?.json).toEqual({ name: "laptop", scope: "read", expires_at: "2026-08-31T12:00:00.000Z" });
  const json = cliWorld({ routes: { createToken: { json: { ...token, token: "mvp_u_secret" } } } });
  expect(await json.run("token", "create", "bob", "--json")).toBe(0);
  expect(json.calls[0]?.json).toEqual({ name: "cli" });
  expect(JSON.parse(json.stdout())).toMatchObject({ token: "mvp_u_secret" });
});

test("token rotate prints the new token alone on stdout, and says how long the old one works", async () => {
  const routes = { rotateToken: { json: { ...token, token_id: "tok2", token: "mvp_u_secret" } } };
  const cli = cliWorld({ routes });
  expect(await cli.run("token", "rotate", "bob", "tok1")).toBe(0);
  expect(cli.stdout()).toBe("mvp_u_secret\n");
  expect(cli.stderr()).not.toContain("secret");
  expect(cli.stderr()).toContain("takes the place of tok1, which no longer works");
  expect(cli.calls[0]).toMatchObject({ path: { user_id: "bob", token_id: "tok1" }, json: { overlap_s: 0 } });
  const kept = cliWorld({ routes });
  expect(await kept.run("token", "rotate", "bob", "tok1", "--overlap", "1h30m", "--expires", "never", "--json")).toBe(0);
  expect(kept.calls[0]?.json).toEqual({ overlap_s: 5400, expires_at: null });
  expect(JSON.parse(kept.stdout())).toMatchObject({ token: "mvp_u_secret", token_id: "tok2" });
  expect(kept.stderr()).toBe("");
  for (const overlap of ["8d", "3600", "soon"])
    expect(await cliWorld({ routes }).run("token", "rotate", "bob", "tok1", "--overlap", overlap), overlap).toBe(2);
  const refused = cliWorld({ routes: { rotateToken: refuse("wrong_state", "token tok1 is revoked") } });
  expect(await refused.run("token", "rotate", "bob", "tok1")).toBe(1);
  expect(refused.stderr()).toBe("error: token tok1 is revoked\n");
});

test.each([
  ["30d", "2026-08-31T12:00:00.000Z"],
  ["+1h30m", "2026-08-01T13:30:00.000Z"],
  ["2026-12-31T00:00:00+02:00", "2026-12-30T22:00:00.000Z"],
  ["never", null],
])("token create --expires %s", async (given, expires_at) => {
  const cli = cliWorld({ routes: { createToken: { json: { ...token, token: "mvp_u_secret" } } } });
  expect(await cli.run("token", "create", "bob", "--expires", given)).toBe(0);
  expect(cli.calls[0]?.json).toEqual({ name: "cli", expires_at });
});

test.each(["30", "30 d", "+", "999999999d", "2026-12-31", "-1d"])(
  "token create --expires=%s exits 2, and nothing is sent",
  async (given) => {
    const cli = cliWorld();
    expect(await cli.run("token", "create", "bob", `--expires=${given}`)).toBe(2);
    expect(cli.stderr()).toContain("from now on: +12h");
  },
);

const rotated = {
  id: 7,
  at: "2026-08-01T11:59:30.250Z",
  actor: "admin",
  action: "token.rotate",
  target: "tok1",
  user_id: "bob",
  from: "10.0.0.9",
  token_id: null,
  request_id: "ab",
  data: { user_id: "bob", new_token_id: "tok2", overlap_s: 60 },
} as const;

test("audit is a table of who did what to whom and from where, at exact times", async () => {
  const limited = { ...rotated, action: "user.limits", target: "bob", from: null, data: { max_gpus: { from: null, to: 4 } } };
  const cli = cliWorld({ routes: { listAudit: { json: { audit: [rotated, limited], next_cursor: null } } } });
  expect(await cli.run("audit")).toBe(0);
  expect(cli.stdout()).toMatch(/2026-08-01 11:59:30Z +admin +token.rotate +tok1 +bob +10\.0\.0\.9 +new_token_id=tok2, overlap_s=60/);
  expect(cli.stdout()).toMatch(/user.limits +bob +bob +- +max_gpus none → 4/);
  const none = cliWorld({ routes: { listAudit: { json: { audit: [], next_cursor: null } } } });
  expect(await none.run("audit")).toBe(0);
  expect(none.stdout()).toBe("");
});

test("audit asks for what its options name, in as many pages as the limit takes", async () => {
  const paged = { listAudit: (_: unknown, nth: number) => ({ json: { audit: [{ ...rotated, id: nth }], next_cursor: `c${nth}` } }) };
  const cli = cliWorld({ routes: paged });
  const flags = ["--user", "bob", "--actor", "admin", "--action", "token.rotate", "--target", "tok1", "--since", "2h", "--until", "1h"];
  expect(await cli.run("audit", ...flags, "--limit", "3", "--json")).toBe(0);
  const filter = { user: "bob", actor: "admin", action: "token.rotate", target: "tok1" };
  const times = { after: "2026-08-01T10:00:00.000Z", before: "2026-08-01T11:00:00.000Z" };
  expect(cli.calls.map((call) => call.query)).toEqual([
    { ...filter, ...times, limit: "3" },
    { ...filter, ...times, limit: "2", cursor: "c1" },
    { ...filter, ...times, limit: "1", cursor: "c2" },
  ]);
  const printed = JSON.parse(cli.stdout()) as { audit: { id: number }[]; next_cursor: string };
  expect([printed.audit.map((row) => row.id), printed.next_cursor]).toEqual([[1, 2, 3], "c3"]);
});

test("token list and revoke", async () => {
  const tokens: object[] = [
    { ...token, revoked_at: null, last_used_at: "2026-08-01T11:59:00.000Z", replaced_by: null },
    {
      ...token,
      token_id: "tok2",
      expires_at: "2026-08-02T12:00:00.000Z",
      revoked_at: "2026-08-01T11:58:00.000Z",
      last_used_at: null,
      replaced_by: null,
    },
  ];
  const unused = { ...token, revoked_at: null, last_used_at: null, replaced_by: null };
  tokens.push({ ...unused, token_id: "tok3", expires_at: "2026-08-01T11:00:00.000Z" });
  tokens.push({ ...unused, token_id: "tok4", expires_at: "2026-08-01T13:00:00.000Z", replaced_by: "tok9" });
  const cli = cliWorld({ routes: { listTokens: { json: { tokens, next_cursor: null } }, revokeToken: {} } });
  expect(await cli.run("token", "list", "bob")).toBe(0);
  expect(cli.stdout()).toMatch(/tok1 +cli +full +…wxyz +1h ago +never +1m ago +active/);
  expect(cli.stdout()).toMatch(/tok2 .*in 24h +never +revoked 2m ago/);
  expect(cli.stdout()).toMatch(/tok3 .*1h ago +never +expired/);
  expect(cli.stdout()).toMatch(/tok4 .*in 1h +never +replaced by tok9/);
  expect(await cli.run("token", "revoke", "bob", "tok1")).toBe(0);
  expect(cli.calls.at(-1)?.path).toEqual({ user_id: "bob", token_id: "tok1" });
  const none = cliWorld({ routes: { listTokens: { json: { tokens: [], next_cursor: null } } } });
  expect(await none.run("token", "list", "bob")).toBe(0);
  expect(none.stderr()).toContain("has no token");
  const json = cliWorld({ routes: { listTokens: { json: { tokens, next_cursor: null } } } });
  await json.run("token", "list", "bob", "--json");
  expect(JSON.parse(json.stdout())).toEqual({ tokens, next_cursor: null });
});

const HTTPS = "https://pool.example:8443";
const PEM = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
const published = (fingerprint: string | null, url = HTTPS) => ({
  text: JSON.stringify({ schema: 1, url, ca_fingerprint: fingerprint, at: "2026-08-01T12:00:00.000Z" }),
  mode: 0o644,
});
const API_JSON = "/private/ray/discovery/default/api.json";

test("login --ca-file is believed, kept by its whole path, and used by the commands after it", async () => {
  const cli = cliWorld({ env: {}, stdin: "mvp_u_new", routes, files: { "/etc/pool-ca.pem": PEM } });
  expect(await cli.run("login", "--token-stdin", "--url", HTTPS, "--ca-file", "/etc/pool-ca.pem")).toBe(0);
  expect(JSON.parse(cli.textOf(CONTEXT) ?? "")).toEqual({ schema: 1, url: HTTPS, token: "mvp_u_new", ca_file: "/etc/pool-ca.pem" });
  expect(await cli.run("whoami")).toBe(0);
  expect(cli.calls.map(({ trust }) => trust)).toEqual([
    { ca: PEM, fingerprint: null },
    { ca: PEM, fingerprint: null },
  ]);
});

test("VERLPOOL_CA_FILE goes before the login's file, and one that is none stops the command before the token is sent", async () => {
  const env = { VERLPOOL_URL: HTTPS, VERLPOOL_TOKEN: "mvp_u_test", VERLPOOL_CA_FILE: "/etc/ca.pem" };
  const cli = cliWorld({ env, routes, files: { "/etc/ca.pem": PEM } });
  expect(await cli.run("whoami")).toBe(0);
  expect(cli.calls[0]?.trust).toEqual({ ca: PEM, fingerprint: null });
  for (const files of [null, { "/etc/ca.pem": "no certificate" }]) {
    const bad = cliWorld({ env, routes, files: files ?? {} });
    expect(await bad.run("whoami")).toBe(1);
    expect(bad.stderr()).toContain("the CA file /etc/ca.pem");
    expect(bad.calls).toEqual([]);
  }
});

test("a published fingerprint is believed, kept at login, and renewed when the server publishes another one", async () => {
  const files: { [path: string]: { text: string; mode: number } } = { [API_JSON]: published("AB:01") };
  const cli = cliWorld({ env: {}, stdin: "mvp_u_new", routes, files });
  expect(await cli.run("login", "--token-stdin")).toBe(0);
  const context = cli.textOf(CONTEXT) ?? "";
  expect(JSON.parse(context)).toMatchObject({ url: HTTPS, ca_fingerprint: "AB:01" });
  const trustWith = async (more: typeof files): Promise<unknown> => {
    const later = cliWorld({ env: {}, routes, files: { [CONTEXT]: context, ...more } });
    expect(await later.run("whoami")).toBe(0);
    return later.calls[0]?.trust;
  };
  expect(await trustWith({})).toEqual({ ca: null, fingerprint: "AB:01" });
  expect(await trustWith({ [API_JSON]: published("CD:02") })).toEqual({ ca: null, fingerprint: "CD:02" });
  expect(await trustWith({ [API_JSON]: published("EF:03", "https://other.example") })).toEqual({ ca: null, fingerprint: "AB:01" });
  expect(await trustWith({ [API_JSON]: { ...published("EF:03"), mode: 0o666 } })).toEqual({ ca: null, fingerprint: "AB:01" });
});

test.each([
  ["SELF_SIGNED_CERT_IN_CHAIN", "--ca-file FILE"],
  ["OTHER_CERTIFICATE", "ask the operator whether it was renewed"],
  ["ERR_TLS_CERT_ALTNAME_INVALID", "for another name"],
  ["CERT_HAS_EXPIRED", "out of its time"],
  ["ERR_SSL_WRONG_VERSION_NUMBER", "http://"],
])("a certificate that fails with %s says what to do", async (reason, hint) => {
  const cli = cliWorld({ env: { VERLPOOL_URL: HTTPS, VERLPOOL_TOKEN: "t" }, routes: { me: () => unreachable(reason) } });
  expect(await cli.run("whoami")).toBe(1);
  expect(cli.stderr()).toContain(hint);
});
