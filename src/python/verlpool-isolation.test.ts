/** verlpool_isolation against stand-ins of TransferQueue: it isolates, or nothing starts. The real one is test/real/main-job.test.ts. */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";

let dir = "";
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "verlpool-isolation-"));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

/** Records the namespaces that TransferQueue's own code would use, as transfer_queue 0.1.11 writes it. */
const RAY = `
seen = []
def get_actor(name, namespace=None): seen.append(("get", name, namespace))
def nodes(): return "the real ray"
`;
const actor = (name: string) => `
class ${name}:
    @staticmethod
    def options(**options):
        ray.seen.append(("make", options["name"], options["namespace"]))
    kept = "class attribute"
`;
const INTERFACE = `
import ray
${actor("TransferQueueController")}
def init():
    ray.get_actor("TransferQueueController", namespace="transfer_queue")
    TransferQueueController.options(name="TransferQueueController", namespace="transfer_queue")
    ray.get_actor("else", "elsewhere")
    return ray.nodes(), TransferQueueController.kept
`;
const STORAGE = `
import ray
${actor("RayObjectRefStorage")}
def init():
    ray.get_actor("RayObjectRefStorage", namespace="transfer_queue")
    RayObjectRefStorage.options(name="RayObjectRefStorage", namespace="transfer_queue", get_if_exists=False)
`;
const EXPECTED: { readonly [file: string]: string } = {
  "ray.py": RAY,
  "transfer_queue/__init__.py": "",
  "transfer_queue/interface.py": INTERFACE,
  "transfer_queue/storage/__init__.py": "",
  "transfer_queue/storage/clients/__init__.py": "",
  "transfer_queue/storage/clients/ray_storage_client.py": STORAGE,
};

function run(files: { readonly [file: string]: string }, attempt: string | null, program: string) {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(dir, name)), { recursive: true });
    writeFileSync(join(dir, name), text);
  }
  const env = {
    PATH: process.env["PATH"] ?? "",
    PYTHONPATH: `${dir}:${import.meta.dirname}`,
    PYTHONDONTWRITEBYTECODE: "1",
    ...(attempt === null ? {} : { VERLPOOL_ATTEMPT: attempt }),
  };
  const { status, stdout, stderr } = spawnSync("python3", ["-S", "-c", program], { env, cwd: dir, encoding: "utf8" });
  return { status, stdout: stdout.trim(), stderr };
}

const IMPORT = "import verlpool_isolation; print('loaded')";

describe("verlpool_isolation", () => {
  test("moves every shared actor of TransferQueue to the attempt's namespace, and touches nothing else", () => {
    const program = `
import verlpool_isolation, ray, json
from transfer_queue import interface
from transfer_queue.storage.clients import ray_storage_client
kept = interface.init(); ray_storage_client.init()
print(json.dumps([ray.seen, kept]))`;
    const { stdout, stderr } = run(EXPECTED, "t--a01", program);
    expect(stderr).toBe("");
    expect(JSON.parse(stdout)).toEqual([
      [
        ["get", "TransferQueueController", "transfer_queue-t--a01"],
        ["make", "TransferQueueController", "transfer_queue-t--a01"],
        ["get", "else", "elsewhere"],
        ["get", "RayObjectRefStorage", "transfer_queue-t--a01"],
        ["make", "RayObjectRefStorage", "transfer_queue-t--a01"],
      ],
      ["the real ray", "class attribute"],
    ]);
  });

  test("refuses to load where the attempt is not known", () => {
    const { status, stderr } = run(EXPECTED, null, IMPORT);
    expect(status).toBe(1);
    expect(stderr).toContain("VERLPOOL_ATTEMPT is not set");
  });

  test("has nothing to do, and needs no attempt, where TransferQueue is not installed", () => {
    expect(run({ "ray.py": RAY }, null, IMPORT)).toMatchObject({ status: 0, stdout: "loaded" });
  });

  test.each([
    ["one more shared actor", { "transfer_queue/metrics.py": 'ray.get_actor("Metrics", namespace="transfer_queue")' }],
    [
      "one place fewer",
      { "transfer_queue/interface.py": INTERFACE.replace('ray.get_actor("TransferQueueController", namespace="transfer_queue")', "pass") },
    ],
    ["a namespace that is not a literal", { "transfer_queue/other.py": "ray.get_actor(NAME, namespace=NAMESPACE)" }],
    [
      "a namespace in other quotes and a place not known",
      { "transfer_queue/other.py": "ray.get_actor(NAME, namespace = 'transfer_queue')" },
    ],
  ])("refuses a TransferQueue with %s", (_, change) => {
    const { status, stderr } = run({ ...EXPECTED, ...change }, "t--a01", IMPORT);
    expect(status).toBe(1);
    expect(stderr).toContain("other places than the one that was checked");
  });

  test("refuses a TransferQueue whose controller is no Ray actor class any more", () => {
    const renamed = INTERFACE.replaceAll("TransferQueueController.options", "Controller.options").replace(
      "class TransferQueueController",
      "class Controller",
    );
    const { status, stderr } = run({ ...EXPECTED, "transfer_queue/interface.py": renamed }, "t--a01", IMPORT);
    expect(status).toBe(1);
    expect(stderr).toContain("no actor class 'TransferQueueController'");
  });

  test("does not take a broken TransferQueue for one that is not installed", () => {
    const broken = { ...EXPECTED, "transfer_queue/__init__.py": "import a_module_that_is_missing" };
    const { status, stderr } = run(broken, "t--a01", IMPORT);
    expect(status).toBe(1);
    expect(stderr).toContain("a_module_that_is_missing");
  });
});
