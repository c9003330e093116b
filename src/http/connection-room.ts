/**
 * Room for connections. What has never brought a whole request (half of one, or nothing at all) makes room for what comes: the one that waited
 * longest goes, so a flood of half-open connections pushes out itself, and a client that says what it wants is served, from the same address too.
 */
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { addressKey } from "./address-key.ts";
import type { ConnectionLimits } from "./connection.ts";

type Connection = { readonly socket: Socket; readonly address: string };

/** `closed` hears of each connection that had to go. */
export function keepRoom(server: Server, limits: Pick<ConnectionLimits, "waitingOfOneAddress" | "connections">, closed: () => void): void {
  const open = new Set<Socket>();
  /** Without a request so far, and between two requests: by address and port of the client, longest wait first. */
  const silent = new Map<string, Connection>();
  const idle = new Map<string, Connection>();
  const silentOf = new Map<string, Set<string>>();

  /** It waits no more; null when it did not. */
  const take = (id: string | undefined): Connection | null => {
    const found = silent.get(id ?? "") ?? idle.get(id ?? "");
    if (id === undefined || found === undefined) return null;
    silent.delete(id);
    idle.delete(id);
    const ids = silentOf.get(found.address);
    ids?.delete(id);
    if (ids?.size === 0) silentOf.delete(found.address);
    return found;
  };
  const drop = (id: string | undefined): void => {
    const found = take(id);
    if (found === null) return;
    open.delete(found.socket);
    found.socket.destroy();
    closed();
  };

  server.on("connection", (socket: Socket) => {
    if (socket.remoteAddress === undefined) return;
    const id = connectionId(socket);
    const address = addressKey(socket.remoteAddress);
    const ofAddress = silentOf.get(address) ?? new Set();
    open.add(socket);
    silent.set(id, { socket, address });
    silentOf.set(address, ofAddress.add(id));
    socket.once("close", () => {
      open.delete(socket);
      if ((silent.get(id) ?? idle.get(id))?.socket === socket) take(id);
    });
    if (ofAddress.size > limits.waitingOfOneAddress) drop(first(ofAddress));
    if (open.size > limits.connections) drop(first(silent.keys()) ?? first(idle.keys()));
  });
  // Over TLS the request has another socket object than the connection, of the same ends.
  server.on("request", (request: IncomingMessage, response: ServerResponse) => {
    const id = connectionId(request.socket);
    const found = take(id);
    if (found === null) return;
    response.once("close", () => {
      if (!found.socket.destroyed) idle.set(id, found);
    });
  });
}

function connectionId(socket: Socket): string {
  return `${socket.remoteAddress ?? ""} ${socket.remotePort ?? ""}`;
}

function first<T>(values: Iterable<T>): T | undefined {
  for (const value of values) return value;
  return undefined;
}
