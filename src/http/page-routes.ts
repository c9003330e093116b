/**
 * The web page: files that say nothing of anybody, so nobody is asked for a token. Everything the page shows it reads from the API with the token
 * that its user typed in.
 */
import { gzipSync } from "node:zlib";
import type { FastifyInstance, FastifyReply, FastifyRequest } from "fastify";
import { AppError } from "../domain/app-error.ts";
import type { Admit } from "./admission.ts";

/** By path below the page's folder: `index.html`, `assets/…`. */
export type PageFiles = ReadonlyMap<string, Uint8Array>;

/** Null where this build has no page; read once, when somebody first asks for it. */
export type LoadPage = () => Promise<PageFiles | null>;

/** Addresses of views; each is answered with the same document, whose script shows the view. */
export const VIEW_PATHS = ["/", "/tasks", "/tasks/*", "/new", "/pool", "/admin", "/admin/*"] as const;
export const ASSET_PATH = "/assets/:file";

/** No inline script or style, nothing from elsewhere, in nobody's frame. */
export const PAGE_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src 'self' data:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
].join("; ");

const PAGE_HEADERS = {
  "Content-Security-Policy": PAGE_POLICY,
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Resource-Policy": "same-origin",
  "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
} as const;

const TYPES: { readonly [ending: string]: string } = {
  html: "text/html; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  css: "text/css; charset=utf-8",
  svg: "image/svg+xml",
};

/** Their names hold a hash of their content. */
const FOR_EVER = "public, max-age=31536000, immutable";

const NOT_BUILT =
  "This build of verlpool has no web page. In a checkout, `npm run build:web` makes it; the server's log says why it could not do so itself. The API works without it.\n";

export function registerPage(app: FastifyInstance, load: LoadPage, admit: Admit): void {
  const compressed = new Map<string, Uint8Array>();
  const send = (request: FastifyRequest, reply: FastifyReply, name: string, bytes: Uint8Array): FastifyReply => {
    void reply.headers(PAGE_HEADERS).header("Content-Type", TYPES[name.split(".").at(-1) ?? ""] ?? "application/octet-stream");
    void reply.header("Vary", "Accept-Encoding");
    if (!/\bgzip\b/.test(request.headers["accept-encoding"] ?? "")) return reply.send(Buffer.from(bytes));
    const small = compressed.get(name) ?? gzipSync(bytes, { level: 9 });
    compressed.set(name, small);
    return reply.header("Content-Encoding", "gzip").send(Buffer.from(small));
  };
  const onRequest = async (request: FastifyRequest): Promise<void> => void (await admit({ access: "open", method: "GET" }, request));
  for (const url of VIEW_PATHS)
    app.get(url, { onRequest }, async (request, reply) => {
      const document = (await load())?.get("index.html");
      // Asked for again each time: it names the files of the newest build.
      void reply.header("Cache-Control", "no-cache");
      if (document === undefined) return reply.code(404).header("Content-Type", "text/plain; charset=utf-8").send(NOT_BUILT);
      return send(request, reply, "index.html", document);
    });
  app.get<{ Params: { file: string } }>(ASSET_PATH, { onRequest }, async (request, reply) => {
    const name = `assets/${request.params.file}`;
    const bytes = (await load())?.get(name);
    if (bytes === undefined) throw new AppError("not_found", "no such file of the page; load the page again");
    return send(request, reply.header("Cache-Control", FOR_EVER), name, bytes);
  });
}
