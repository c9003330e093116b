/** Where others find the API. */

const EVERY_INTERFACE: ReadonlySet<string> = new Set(["0.0.0.0", "::", "[::]"]);

/** A server that listens on every interface is published by its machine's name: the loopback address that it was told means another machine elsewhere. */
export function apiAddress(listening: string, host: string, machine: string): string {
  if (!EVERY_INTERFACE.has(host)) return listening;
  const { protocol, port } = new URL(listening);
  return `${protocol}//${machine}${port === "" ? "" : `:${port}`}`;
}
