/** JSON lines between server and storage helper: one request, one answer, in order. */
export type HelperRequest = { readonly id: number; readonly config: unknown; readonly op: string; readonly args: unknown };

export type HelperAnswer =
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly error: { readonly message: string; readonly code: string | null } };

export function encodeLine(message: HelperRequest | HelperAnswer): string {
  return `${JSON.stringify(message)}\n`;
}

/** A range of a log is the only result that holds bytes; they travel as base64. */
export function packResult(result: unknown): unknown {
  if (typeof result !== "object" || result === null || !("bytes" in result) || !(result.bytes instanceof Uint8Array)) return result;
  const { bytes, ...rest } = result;
  return { ...rest, base64: Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("base64") };
}

export function unpackResult(result: unknown): unknown {
  if (typeof result !== "object" || result === null || !("base64" in result) || typeof result.base64 !== "string") return result;
  const { base64, ...rest } = result;
  return { ...rest, bytes: new Uint8Array(Buffer.from(base64, "base64")) };
}
