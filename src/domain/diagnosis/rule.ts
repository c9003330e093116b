import type { Blame } from "../types.ts";
import type { Label } from "./labels.ts";

/**
 * How near to the root the message stands. A `cause` names it; a `symptom` may be one or follow from another; a `consequence` tells only that
 * something ended; a `hint` counts where nothing else is said. Of one strength the first in the log wins: what follows follows from it.
 */
export type Strength = "cause" | "symptom" | "consequence" | "hint";

export type Rule = {
  readonly id: string;
  readonly label: Label;
  readonly strength: Strength;
  /** In lower case; a line is only tried when it holds one of them (any case). */
  readonly needles: readonly string[];
  /** Tried on one line without its prefixes. Gaps must be bounded: a log is a stranger's text. Named groups fill {name} in `why` and `fix`. */
  readonly pattern: RegExp;
  /** The nearest frame or line around it that one of the two matches must match `frames`; with `elseToo`, no such line at all will do. */
  readonly frames?: RegExp;
  readonly notFrames?: RegExp;
  readonly elseToo?: true;
  /** Also believed on lines that a logger marked as a warning, with `infoToo` on any. */
  readonly anyLevel?: true;
  readonly infoToo?: true;
  /** Steps trained after it do not refute it. */
  readonly outlivesSteps?: true;
  /** What only warns of it: one later step refutes it, where an error needs two (its line may be late). */
  readonly oneStepRefutes?: true;
  /** The words may stand anywhere in a sentence, not only where a message begins. */
  readonly anywhere?: true;
  /** Counts only when nearly nothing follows it. */
  readonly atEnd?: true;
  /** Ids of rules: where one of them is met too, this one only follows from it, wherever it stands. */
  readonly follows?: readonly string[];
  readonly blame?: Blame;
  readonly retryable?: boolean;
  /** Shown as they are, with {name} or {name|when it was not said}. */
  readonly why: string;
  readonly fix: string;
};
