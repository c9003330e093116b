/** Ray's dashboard over HTTP, in memory, with scripted faults. Held to the real one by test/contract/ray-jobs.contract.ts: a difference is a bug here. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { respondTo } from "./fake-ray-wire.ts";
import { createFakeCluster, type FakeCluster, type FakeRunner } from "./fake-ray-cluster.ts";

export type FakeRoute = "submit" | "get" | "stop" | "delete" | "version" | "healthz" | "nodes" | "status";

/**
 * drop: hang up before doing anything · accept_then_drop: do it, then hang up · late_accept: do it after `ms`, whether or not the client waited
 * · answer: say this instead of doing it · truncated: do it, send half the answer · delay: do it after `ms` · hang: never answer
 * · absent: say that the id does not exist · record: change the record that GET returns.
 */
export type Fault =
  | { readonly kind: "drop" | "accept_then_drop" | "truncated" | "hang" | "absent" }
  | { readonly kind: "late_accept" | "delay"; readonly ms: number }
  | { readonly kind: "answer"; readonly status: number; readonly body: string; readonly contentType?: string; readonly location?: string }
  | { readonly kind: "record"; readonly patch: Readonly<Record<string, unknown>> };

type Rule = { readonly route: FakeRoute | "any"; readonly fault: Fault; times: number };

export type FakeRayOptions = {
  readonly run?: FakeRunner;
  readonly token?: string;
  readonly rayVersion?: string;
  /** How long a job runs that was stopped while PENDING (seen on Ray: up to 3 s). */
  readonly stoppedPendingRunsMs?: number;
};

export type FakeRay = {
  readonly baseUrl: string;
  readonly cluster: FakeCluster;
  /** The next `times` requests on `route` meet `fault`; rules are used up in the order given. */
  readonly inject: (route: FakeRoute | "any", fault: Fault, times?: number) => void;
  readonly clearFaults: () => void;
  /** Each request as `METHOD path`, also those that met a fault. */
  readonly requests: readonly string[];
  /** The port refuses connections until `up`. */
  readonly down: () => Promise<void>;
  readonly up: () => Promise<void>;
  readonly close: () => Promise<void>;
};

export type Answer = { readonly status: number; readonly body: string; readonly contentType: string; readonly location?: string };

/** A head with no CPU and no GPU; add workers with `cluster.addNode`. Without `run`, entrypoints succeed at once. */
export async function startFakeRay(options: FakeRayOptions = {}): Promise<FakeRay> {
  const cluster = createFakeCluster(options.run ?? (async () => ({ exitCode: 0 })), options.stoppedPendingRunsMs ?? 50);
  cluster.addNode("head", "127.0.0.2", { "node:__internal_head__": 1, "node:127.0.0.2": 1 });
  const rules: Rule[] = [];
  const requests: string[] = [];
  const timers = new Set<NodeJS.Timeout>();

  function takeFault(route: FakeRoute): Fault | null {
    const rule = rules.find((rule) => rule.times > 0 && (rule.route === "any" || rule.route === route));
    if (rule === undefined) return null;
    rule.times -= 1;
    return rule.fault;
  }

  function later(ms: number, act: () => void): void {
    const timer = setTimeout(() => {
      timers.delete(timer);
      act();
    }, ms);
    timers.add(timer);
  }

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await bodyOf(request);
    const url = new URL(request.url ?? "/", "http://fake");
    requests.push(`${request.method} ${url.pathname}`);
    const route = routeOf(request.method ?? "GET", url.pathname);
    const act = (): Answer =>
      respondTo(cluster, { route, url, method: request.method ?? "GET", headers: request.headers, body, ...identity });
    const fault = route === null ? null : takeFault(route);
    if (fault === null) return send(response, act());
    switch (fault.kind) {
      case "drop":
        return void request.socket.destroy();
      case "hang":
        return;
      case "accept_then_drop":
        act();
        return void request.socket.destroy();
      case "late_accept":
      case "delay":
        return later(fault.ms, () => send(response, act()));
      case "truncated":
        return sendHalf(response, act());
      case "absent":
        return send(response, {
          status: 404,
          body: `Job ${url.pathname.split("/")[3] ?? ""} does not exist`,
          contentType: "text/plain; charset=utf-8",
        });
      case "answer":
        return send(response, { contentType: "text/html", ...fault });
      case "record": {
        const answer = act();
        return send(response, { ...answer, body: JSON.stringify({ ...(JSON.parse(answer.body) as object), ...fault.patch }) });
      }
    }
  }

  const identity = { token: options.token ?? null, rayVersion: options.rayVersion ?? "2.60.0" };
  const listen = () => createServer((request, response) => void serve(request, response).catch(() => request.socket.destroy()));
  let server = listen();
  const port = await open(server, 0);

  return {
    baseUrl: `http://127.0.0.1:${port}`,
    cluster,
    inject: (route, fault, times = 1) => void rules.push({ route, fault, times }),
    clearFaults: () => void rules.splice(0),
    requests,
    down: () => shut(server),
    up: async () => {
      server = listen();
      await open(server, port);
    },
    close: async () => {
      for (const timer of timers) clearTimeout(timer);
      if (server.listening) await shut(server);
      await cluster.close();
    },
  };
}

function routeOf(method: string, path: string): FakeRoute | null {
  if (path === "/api/version") return "version";
  if (path === "/api/gcs_healthz") return "healthz";
  if (path === "/api/v0/nodes") return "nodes";
  if (path === "/api/cluster_status") return "status";
  if (path === "/api/jobs/" && method === "POST") return "submit";
  if (/^\/api\/jobs\/[^/]+\/stop$/.test(path) && method === "POST") return "stop";
  if (/^\/api\/jobs\/[^/]+$/.test(path)) return method === "DELETE" ? "delete" : "get";
  return null;
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks).toString("utf8");
}

function send(response: ServerResponse, answer: Answer): void {
  response.writeHead(answer.status, {
    "content-type": answer.contentType,
    ...(answer.location === undefined ? {} : { location: answer.location }),
  });
  response.end(answer.body);
}

function sendHalf(response: ServerResponse, answer: Answer): void {
  const bytes = Buffer.from(answer.body);
  response.writeHead(answer.status, { "content-type": answer.contentType, "content-length": bytes.byteLength });
  response.write(bytes.subarray(0, Math.floor(bytes.byteLength / 2)), () => response.socket?.destroy());
}

async function open(server: Server, port: number): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, "127.0.0.1", resolve);
  });
  return (server.address() as AddressInfo).port;
}

async function shut(server: Server): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()));
  server.closeAllConnections();
  await closed;
}
