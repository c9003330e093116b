import { expect, test } from "vitest";
import { apiAddress } from "./api-address.ts";

test.each([
  ["http://127.0.0.1:8080", "0.0.0.0", "http://head-7:8080"],
  ["http://[::1]:8080", "::", "http://head-7:8080"],
  ["http://127.0.0.1:8080", "127.0.0.1", "http://127.0.0.1:8080"],
  ["http://10.0.0.7:8080", "10.0.0.7", "http://10.0.0.7:8080"],
])("%s of a server on %s is published as %s", (listening, host, published) => {
  expect(apiAddress(listening, host, "head-7")).toBe(published);
});
