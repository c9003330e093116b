/** One bounded HTTP exchange with Ray's dashboard. Never global `fetch`: its `sec-fetch-mode` makes Ray refuse it as browser traffic (405). */
import { readFile } from "node:fs/promises";
import { Agent, request } from "undici";

export type RayEndpoint = {
  /** `http://host:port` of the dashboard, asked anew at each call because a head may move; null = no head is known. */
  readonly baseUrl: () => string | null;
  /** A file that holds Ray's cluster token (sent as Bearer); null = this Ray asks for none. */
  readonly tokenFile: () => string | null;
};

export type RayCall = {
  readonly method: "GET" | "POST" | "DELETE";
  readonly path: string;
  readonly body: string | null;
  /** A longer answer counts as no answer. */
  readonly maxBytes: number;
};

/** `failed`: nothing that could be trusted came back in time; the request may still have been carried out. */
export type RayAnswer =
  | { readonly kind: "answer"; readonly status: number; readonly text: string }
  | { readonly kind: "failed"; readonly error: string };

export type RayHttp = {
  /** Never follows a redirect. Rejects only with the reason of `signal`. */
  readonly call: (call: RayCall, signal: AbortSignal) => Promise<RayAnswer>;
  readonly close: () => Promise<void>;
};

export type RayDeadlines = { readonly connectMs: number; readonly totalMs: number };

const DEADLINES: RayDeadlines = { connectMs: 2_000, totalMs: 10_000 };

/** Ray 2.51 answers 500 to a request without User-Agent (optional_utils.py reads it unguarded); one that begins with Mozilla is a browser. */
const HEADERS = { accept: "application/json", "user-agent": "verlpool" };

export function createRayHttp(endpoint: RayEndpoint, deadlines: RayDeadlines = DEADLINES): RayHttp {
  const agent = new Agent({ connect: { timeout: deadlines.connectMs }, connections: 16 });
  const token = createTokenReader(endpoint.tokenFile);

  async function exchange(origin: string, call: RayCall, bearer: string | null, signal: AbortSignal): Promise<RayAnswer> {
    const headers: Record<string, string> = { ...HEADERS };
    if (bearer !== null) headers["authorization"] = `Bearer ${bearer}`;
    if (call.body !== null) headers["content-type"] = "application/json";
    const answer = await request(`${origin}${call.path}`, { method: call.method, headers, body: call.body, dispatcher: agent, signal });
    const text = await readCapped(answer.body, call.maxBytes);
    if (text === null) return { kind: "failed", error: `Ray's answer to ${call.path} is longer than ${call.maxBytes} bytes` };
    return { kind: "answer", status: answer.statusCode, text };
  }

  async function call(call: RayCall, signal: AbortSignal): Promise<RayAnswer> {
    signal.throwIfAborted();
    const base = endpoint.baseUrl();
    if (base === null) return { kind: "failed", error: "no Ray head is known" };
    const origin = dashboardOrigin(base);
    if (origin === null) return { kind: "failed", error: `${JSON.stringify(base)} is no address of a Ray dashboard (http://host:port)` };
    const deadline = AbortSignal.any([signal, AbortSignal.timeout(deadlines.totalMs)]);
    try {
      const first = await token.read();
      const answer = await exchange(origin, call, first, deadline);
      if (!isAuthRefusal(answer)) return answer;
      const second = await token.readAgain();
      return second === first ? answer : await exchange(origin, call, second, deadline);
    } catch (error) {
      signal.throwIfAborted();
      return { kind: "failed", error: describe(error, call.path, deadlines.totalMs) };
    }
  }

  return { call, close: () => agent.destroy() };
}

/** The origin of a dashboard URL, or null when it is more than `http(s)://host[:port]` or points at a cloud's metadata service. */
export function dashboardOrigin(text: string): string | null {
  const url = URL.parse(text);
  if (url === null || (url.protocol !== "http:" && url.protocol !== "https:")) return null;
  if (url.username !== "" || url.password !== "" || url.pathname !== "/" || url.search !== "" || url.hash !== "") return null;
  const host = url.hostname.toLowerCase();
  if (host.startsWith("169.254.") || host.startsWith("[fe80:") || host.startsWith("[::ffff:") || host === "0.0.0.0" || host === "[::]")
    return null;
  return url.origin;
}

/** Ray answers 401 to a missing and 403 to a wrong token, before it does anything: such a request was not carried out. */
function isAuthRefusal(answer: RayAnswer): boolean {
  return answer.kind === "answer" && (answer.status === 401 || answer.status === 403);
}

/** Keeps the token in memory, per file; a refusal makes the caller read again, so a rotated token is picked up without a restart. */
function createTokenReader(tokenFile: () => string | null) {
  let known: { readonly file: string; readonly token: string } | null = null;
  async function readAgain(): Promise<string | null> {
    const file = tokenFile();
    if (file === null) return null;
    const token = (await readFile(file, "utf8")).trim();
    if (!/^[\x21-\x7e]{1,4096}$/.test(token)) throw new Error(`the token file ${file} does not hold one line of printable characters`);
    known = { file, token };
    return token;
  }
  return {
    readAgain,
    read: async (): Promise<string | null> => (known !== null && known.file === tokenFile() ? known.token : readAgain()),
  };
}

async function readCapped(body: AsyncIterable<Uint8Array> & { destroy: () => unknown }, maxBytes: number): Promise<string | null> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.byteLength;
    if (size > maxBytes) return null;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function describe(error: unknown, path: string, totalMs: number): string {
  if (error instanceof Error && error.name === "TimeoutError") return `Ray did not answer ${path} within ${totalMs} ms`;
  return `Ray did not answer ${path}: ${error instanceof Error ? error.message : String(error)}`;
}
