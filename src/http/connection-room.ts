/**
 * Room for connections. What waits for a request (half of one, or nothing at all) makes room for what comes: the one that waited longest goes,
 * so a flood of half-open connections pushes out itself, and a client that says what it wants is served, from the same address too.
 */
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { addressKey } from "./address-key.ts";
import type { ConnectionLimits } from "./connection.ts";

type Waiting = { readonly socket: Socket; readonly address: string };

/** `closed` hears of each connection that had to go. */
export function keepRoom(server: Server, limits: Pick<ConnectionLimits, "waitingOfOneAddress" | "connections">, closed: () => void): void {
  /** Longest wait first. */
  const waiting = new Map<string, Waiting>();
  const byAddress = new Map<string, Set<string>>();
  const open = new Set<Socket>();

  const startWaiting = (id: string, socket: Socket): void => {
    const address = addressKey(socket.remoteAddress);
    waiting.set(id, { socket, address });
    const ids = byAddress.get(address) ?? new Set();
    byAddress.set(address, ids.add(id));
    if (ids.size > limits.waitingOfOneAddress) drop(first(ids));
  };
  const stopWaiting = (id: string): Socket | null => {
    const found = waiting.get(id);
    if (found === undefined) return null;
    waiting.delete(id);
    const ids = byAddress.get(found.address);
    ids?.delete(id);
    if (ids?.size === 0) byAddress.delete(found.address);
    return found.socket;
  };
  const drop = (id: string | null): void => {
    const socket = id === null ? null : stopWaiting(id);
    if (socket === null) return;
    open.delete(socket);
    socket.destroy();
    closed();
  };

  server.on("connection", (socket: Socket) => {
    if (socket.remoteAddress === undefined) return;
    const id = connectionId(socket);
    open.add(socket);
    startWaiting(id, socket);
    socket.once("close", () => {
      open.delete(socket);
      if (waiting.get(id)?.socket === socket) stopWaiting(id);
    });
    if (open.size > limits.connections) drop(first(waiting.keys()));
  });
  // Over TLS the request has another socket object than the connection, of the same ends.
  server.on("request", (request: IncomingMessage, response: ServerResponse) => {
    const id = connectionId(request.socket);
    const socket = stopWaiting(id);
    if (socket === null) return;
    response.once("close", () => {
      if (!socket.destroyed) startWaiting(id, socket);
    });
  });
}

function connectionId(socket: Socket): string {
  return `${socket.remoteAddress ?? ""} ${socket.remotePort ?? ""}`;
}

function first(ids: Iterable<string>): string | null {
  for (const id of ids) return id;
  return null;
}
