/** head.json of discovery (docs/interfaces.md) in our nouns: who is head, where Ray answers, and that its agent lives. */

/** Which process, so that the same machine can prove it gone: pids and their start times mean something in one boot and one PID namespace only. */
export type OwnerProcess = {
  readonly pid: number;
  readonly startTicks: number;
  readonly bootId: string;
  readonly pidNamespace: string;
};

export type HeadOwner = {
  readonly host: string;
  /** Drawn anew by each run of an agent. */
  readonly nonce: string;
  /** Null in a record that does not say. */
  readonly process: OwnerProcess | null;
};

/** What an agent says of itself with every beat, also before its Ray answers. */
export type HeadBeat = {
  readonly cluster: string;
  readonly epoch: number;
  /** Moves with every beat: freshness is judged by it, on the reader's own clock. */
  readonly seq: number;
  /** This head is gone for good: the next one needs not wait. */
  readonly released: boolean;
  readonly owner: HeadOwner;
};

export type HeadRecord = HeadBeat & {
  /** Which memory Ray has: changes when a head came back empty. */
  readonly session: string;
  readonly address: string;
  readonly dashboardUrl: string;
  readonly rayVersion: string | null;
  readonly pythonVersion: string | null;
};

export type HeadReading =
  | { readonly kind: "ok"; readonly head: HeadRecord }
  /** A new head took the epoch and its Ray does not answer yet: keep following the last good one. */
  | { readonly kind: "starting"; readonly beat: HeadBeat }
  | { readonly kind: "absent" }
  /** There, but not to be believed: keep the last good one. */
  | { readonly kind: "unreadable"; readonly why: string };
