import type { TaskState } from "../../../src/domain/types.ts";
import { type Key, useWords } from "../i18n/language.ts";
import { Icon, type IconName } from "./icon.tsx";

type Look = { readonly tone: "wait" | "busy" | "good" | "bad" | "off"; readonly icon: IconName; readonly key: Key };

/** A new state does not compile until it has a look. */
const LOOKS: { readonly [state in TaskState]: Look } = {
  QUEUED: { tone: "wait", icon: "clock", key: "state.QUEUED" },
  PENDING_RESOURCES: { tone: "wait", icon: "hourglass", key: "state.PENDING_RESOURCES" },
  SUBMITTING: { tone: "busy", icon: "arrow", key: "state.SUBMITTING" },
  SUBMITTED: { tone: "busy", icon: "arrow", key: "state.SUBMITTED" },
  RUNNING: { tone: "busy", icon: "play", key: "state.RUNNING" },
  SUCCEEDED: { tone: "good", icon: "check", key: "state.SUCCEEDED" },
  FAILED: { tone: "bad", icon: "cross", key: "state.FAILED" },
  CANCELED: { tone: "off", icon: "stop", key: "state.CANCELED" },
};

export function StateBadge({ state }: { readonly state: TaskState }) {
  const t = useWords();
  const look = LOOKS[state];
  return (
    <span className={`badge tone-${look.tone}`} data-state={state}>
      <Icon name={look.icon} />
      {t(look.key)}
    </span>
  );
}
