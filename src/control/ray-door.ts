/** Keeps an eye on whether Ray asks for a token: whenever a head comes up or changes, and now and then. Beside the scheduler, never in its way. */
import type { HeadView } from "../domain/types.ts";
import type { Clock, Log, RayDoorAnswer } from "./ports.ts";

/** `unknown`: no head, or none that gave a clear answer; never taken for open. `ms`: how long the last answer took. */
export type RayDoorView = { readonly state: RayDoorAnswer["kind"]; readonly ms: number };

export type RayDoorWatch = {
  readonly view: () => RayDoorView;
  /** Runs until the signal; never throws. */
  readonly run: (signal: AbortSignal) => Promise<void>;
};

export type RayDoorDeps = {
  /** Has a deadline of its own. */
  readonly check: (signal: AbortSignal) => Promise<RayDoorAnswer>;
  readonly head: () => HeadView | null;
  readonly clock: Clock;
  readonly log: Log;
};

const LOOK_MS = 1_000;
const EVERY_MS = 600_000;
const UNCLEAR_EVERY_MS = 10_000;
const UNKNOWN: RayDoorView = { state: "unknown", ms: 0 };

export function watchRayDoor({ check, head, clock, log }: RayDoorDeps): RayDoorWatch {
  let view = UNKNOWN;
  /** Which head was asked, and when. */
  let asked: { readonly head: string; readonly at: number } | null = null;

  async function ask(found: HeadView & { readonly kind: "up" }, signal: AbortSignal): Promise<void> {
    const identity = `${found.session} ${found.address}`;
    const isSame = asked?.head === identity;
    const start = clock.monotonicMs();
    const answer = await check(signal).catch((error: unknown): RayDoorAnswer => ({
      kind: "unknown",
      why: error instanceof Error ? error.message : String(error),
    }));
    if (signal.aborted) return;
    const before = isSame ? view.state : "unknown";
    asked = { head: identity, at: clock.monotonicMs() };
    view = { state: answer.kind, ms: Math.round(asked.at - start) };
    if (answer.kind === "open" && before !== "open") log.warn({ session: found.session, ray_version: found.rayVersion }, openText(found));
    if (answer.kind === "closed" && before !== "closed") log.info({ session: found.session }, "Ray asks for its token");
    if (answer.kind === "unknown") log.debug({ session: found.session, why: answer.why }, "whether Ray asks for a token is not known now");
  }

  function isDue(found: HeadView & { readonly kind: "up" }): boolean {
    if (asked === null || asked.head !== `${found.session} ${found.address}`) return true;
    return clock.monotonicMs() - asked.at >= (view.state === "unknown" ? UNCLEAR_EVERY_MS : EVERY_MS);
  }

  return {
    view: () => view,
    run: async (signal) => {
      while (!signal.aborted) {
        const found = head();
        if (found?.kind === "up") {
          if (isDue(found)) await ask(found, signal);
        } else [view, asked] = [UNKNOWN, null];
        await clock.sleep(LOOK_MS, signal).catch(() => undefined);
      }
    },
  };
}

/** What to do about it depends on whether this Ray has tokens at all. */
export function openText({ rayVersion }: { readonly rayVersion: string }): string {
  const what = "Ray's dashboard answers without a token, so whoever reaches it runs code as this user";
  if (hasTokens(rayVersion)) return `${what}: start the head and its workers with RAY_AUTH_MODE=token, and give ray.token_file`;
  return `${what}: Ray ${rayVersion} has no tokens; take 2.52 or newer, and until then let only this server reach its ports`;
}

/** RAY_AUTH_MODE=token came with Ray 2.52 (docs.ray.io, "Ray token authentication"). */
function hasTokens(version: string): boolean {
  const [major = 0, minor = 0] = version.split(".").map((part) => Number.parseInt(part, 10));
  return major > 2 || (major === 2 && minor >= 52);
}
