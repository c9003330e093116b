import type { StorageTrouble } from "../control/ports.ts";

/** An error that says storage answered badly (`error`) or not in time (`hang`); never that something is absent. */
export function storageTrouble(kind: StorageTrouble["kind"], message: string, cause?: unknown): Error & StorageTrouble {
  return Object.assign(new Error(message, { cause }), { name: "StorageTrouble" as const, kind });
}

export function isStorageTrouble(error: unknown): error is Error & StorageTrouble {
  return error instanceof Error && error.name === "StorageTrouble";
}

export function errorCode(error: unknown): string | null {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : null;
}
