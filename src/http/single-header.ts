/** A header sent twice is refused, never silently joined or dropped. */
import type { FastifyRequest } from "fastify";
import { AppError } from "../domain/app-error.ts";

/** Throws AppError invalid_token for a second Authorization, bad_parameter for another one. `name` in lower case. */
export function singleHeader(request: FastifyRequest, name: string): string | undefined {
  const { rawHeaders } = request.raw;
  const values = rawHeaders.filter((_, index) => index % 2 === 1 && rawHeaders[index - 1]?.toLowerCase() === name);
  if (values.length > 1)
    throw name === "authorization"
      ? new AppError("invalid_token", "invalid token")
      : new AppError("bad_parameter", `the header ${name} is given twice`);
  return values[0];
}
