import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { ApiError, Unreachable } from "./api/client.ts";
import { connection } from "./api/connection.ts";
import { App } from "./app.tsx";
import "./styles/main.css";
import "./theme.ts";

// The browser knows at once what a request would find out only later; the next answer takes it back.
window.addEventListener("offline", connection.failed);

const LONGEST_WAIT_MS = 10_000;

/** Away, overloaded, or told to wait: asked again for as long as somebody looks. What the API refused it would refuse again. */
function passes(error: unknown): boolean {
  return error instanceof Unreachable || (error instanceof ApiError && (error.problem.status === 429 || error.problem.status >= 500));
}

const queries = new QueryClient({
  defaultOptions: {
    queries: {
      networkMode: "always",
      retry: (failures, error) => passes(error) && (error instanceof Unreachable || failures < 3),
      retryDelay: (failures, error) =>
        error instanceof ApiError && error.retryAfterS !== null
          ? error.retryAfterS * 1000
          : Math.min(1_000 * 2 ** failures, LONGEST_WAIT_MS),
      refetchOnWindowFocus: true,
      staleTime: 1_000,
    },
    mutations: { networkMode: "always" },
  },
});

const place = document.getElementById("root");
if (place === null) throw new Error("the document lacks its root");
createRoot(place).render(
  <StrictMode>
    <QueryClientProvider client={queries}>
      <App />
    </QueryClientProvider>
  </StrictMode>,
);
