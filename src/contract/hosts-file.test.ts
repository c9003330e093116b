import { expect, test } from "vitest";
import { parseHostsFile, parseSshTarget } from "./hosts-file.ts";

const WHOLE = `
root: /private
cluster: main
hosts:
  - name: head-1
    ssh: ops@10.0.0.1:2222
    role: head
  - name: gpu-1
    ssh: gpu-1.example.org
    role: worker
    gpus: 8
    labels: {rack: a1}
    env:
      NCCL_SOCKET_IFNAME: eth0
      RAY_x: "it's $HOME; \`a\`"
`;

/** Line and field of each error. */
function errorsOf(text: string): readonly string[] {
  const result = parseHostsFile(text);
  return result.ok ? [] : result.errors.map(({ line, field, message }) => `${line} ${field}: ${message}`);
}

test("a file is read with all its fields", () => {
  expect(parseHostsFile(WHOLE)).toEqual({
    ok: true,
    file: {
      root: "/private",
      cluster: "main",
      hosts: [
        { name: "head-1", ssh: { user: "ops", host: "10.0.0.1", port: 2222 }, role: "head", gpus: null, labels: {}, env: {} },
        {
          name: "gpu-1",
          ssh: { user: null, host: "gpu-1.example.org", port: null },
          role: "worker",
          gpus: 8,
          labels: { rack: "a1" },
          env: { NCCL_SOCKET_IFNAME: "eth0", RAY_x: "it's $HOME; `a`" },
        },
      ],
    },
  });
});

test("every error is told at once, with its line and field", () => {
  expect(
    errorsOf(`root: private
clustr: main
hosts:
  - name: GPU
    ssh: gpu
    role: helper
  - name: a
    ssh: a
    role: head
    gpus: 2
  - name: a
    ssh: b
    role: head
    gpu: 1
    env: {HF_TOKEN: x}
  - gpu-3
`),
  ).toEqual([
    "1 cluster: is missing",
    "1 root: is not allowed",
    "2 clustr: is not a field here; did you mean cluster?",
    "4 hosts[0].name: is not allowed",
    "6 hosts[0].role: is not allowed",
    "10 hosts[1].gpus: a head has no GPUs",
    "11 hosts[2].name: is the name of the host in line 7, too",
    "11 hosts[2].role: is a second head; the first is in line 7",
    "14 hosts[2].gpu: is not a field here; did you mean gpus?",
    "15 hosts[2].env.HF_TOKEN: looks like a secret, which has no place in this file",
    "16 hosts[3]: is no host",
  ]);
});

test.each(["", "hosts: []", "root: /private\ncluster: c\nhosts: gpu-1", "- a", "root: &a /private\ncluster: c\nhosts: *a"])(
  "%j is refused",
  (text) => {
    expect(errorsOf(text)).not.toEqual([]);
  },
);

test.each([
  ["gpu-1", { user: null, host: "gpu-1", port: null }],
  ["a.b@c_d:22", { user: "a.b", host: "c_d", port: 22 }],
  ["root@[fd00::1]:2200", { user: "root", host: "fd00::1", port: 2200 }],
])("%s is a target of ssh", (text, target) => {
  expect(parseSshTarget(text)).toEqual(target);
});

test.each([
  "-oProxyCommand=id",
  "-p",
  "-oProxyCommand=id@host",
  "a@-oProxyCommand=id",
  "a@[-oProxyCommand=id]",
  "a b",
  "a;id",
  "$(id)",
  "`id`",
  "a@b@c",
  "a:0",
  "a:65536",
  "a:-1",
  "a\nb",
  "ssh://a",
  "a/b",
  "%h",
  "",
])("%j is refused as a target: no option and no shell word gets through", (text) => {
  expect(parseSshTarget(text)).toBeNull();
});
