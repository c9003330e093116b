import { homedir } from "node:os";

/** The user's home; `/` for a user who has none, such as an arbitrary uid in a container, where node:os throws. */
export function homeDirectory(): string {
  try {
    return homedir();
  } catch {
    return "/";
  }
}
