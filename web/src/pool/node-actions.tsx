import { useQueryClient } from "@tanstack/react-query";
import { type ReactNode, useId, useState } from "react";
import { call, send } from "../api/client.ts";
import { type Key, useWords } from "../i18n/language.ts";
import { visible } from "../text/visible.ts";
import { Action } from "../ui/action.tsx";
import type { PoolNode } from "./node-card.tsx";

/** What an operator may do with a node; the server says where it can't be done. */
export function NodeActions({ node }: { readonly node: PoolNode }) {
  const t = useWords();
  const queries = useQueryClient();
  const path = { node: node.node };
  const done = (): Promise<void> => queries.invalidateQueries({ queryKey: ["nodes"] });
  const isWanted = node.wanted !== null && (node.wanted.cordon || node.wanted.drain);
  const isGone = node.state === "lost" || node.state === "leaving" || node.state === "unknown";
  return (
    <div className="actions">
      {isWanted ? (
        <Reasoned
          label="node.uncordon"
          text="node.uncordonText"
          node={node.node}
          run={async (json) => {
            await call("uncordonNode", "POST", "/api/v2/nodes/{node}:uncordon", { path, json });
            await done();
          }}
        />
      ) : (
        <>
          <Reasoned
            label="node.drain"
            text="node.drainText"
            node={node.node}
            run={async (json) => {
              await call("drainNode", "POST", "/api/v2/nodes/{node}:drain", { path, json });
              await done();
            }}
          />
          <Reasoned
            label="node.cordon"
            text="node.cordonText"
            node={node.node}
            run={async (json) => {
              await call("cordonNode", "POST", "/api/v2/nodes/{node}:cordon", { path, json });
              await done();
            }}
          />
        </>
      )}
      {isGone ? (
        <Reasoned
          label="node.forget"
          text="node.forgetText"
          node={node.node}
          run={async (json) => {
            await send("forgetNode", "POST", "/api/v2/nodes/{node}:forget", { path, json });
            await done();
          }}
        />
      ) : null}
      {node.wanted === null ? null : (
        <span className="muted small wrap">
          {t("node.wantedBy", { by: visible(node.wanted.by) })} {node.wanted.reason === null ? "" : visible(node.wanted.reason)}
        </span>
      )}
    </div>
  );
}

type ReasonedProps = {
  readonly label: Key;
  readonly text: Key;
  readonly node: string;
  readonly run: (json: { reason?: string }) => Promise<unknown>;
};

function Reasoned({ label, text, node, run }: ReasonedProps): ReactNode {
  const t = useWords();
  const field = useId();
  const [reason, setReason] = useState("");
  return (
    <Action
      label={t(label)}
      question={t("node.question", { what: t(label), node: visible(node) })}
      explanation={
        <>
          <p>{t(text)}</p>
          <label htmlFor={field}>{t("queue.reason")}</label>
          <input id={field} value={reason} maxLength={500} onChange={(event) => setReason(event.target.value)} />
        </>
      }
      run={() => run(reason.trim() === "" ? {} : { reason: reason.trim() })}
    />
  );
}
