import type { call } from "../api/client.ts";
import { bytes } from "../format.ts";
import { type Key, useWords } from "../i18n/language.ts";
import { estimateText } from "../tasks/ends-in.tsx";
import { visible } from "../text/visible.ts";
import { Copy } from "../ui/copy.tsx";
import { NodeFit } from "../ui/node-fit.tsx";
import { useNow } from "../ui/time.tsx";

type PlanWire = Awaited<ReturnType<typeof call<"planTask">>>;

const VERDICTS = { now: "plan.now", later: "plan.later", impossible: "plan.impossible", unknown: "plan.unknown" } as const satisfies {
  readonly [verdict in PlanWire["fit"]["verdict"]]: Key;
};
const TONES = { now: "good", later: "wait", impossible: "bad", unknown: "wait" } as const;

/** What would happen: where it fits, when it starts, and the very command. */
export function PlanCard({ plan, isOld }: { readonly plan: PlanWire; readonly isOld: boolean }) {
  const t = useWords();
  const now = useNow();
  const { fit, needs, estimate } = plan;
  const command = plan.argv.map(quoted).join(" \\\n  ");
  const left = (instant: string): number => Math.max(0, Date.parse(instant) - now);
  return (
    <div className={isOld ? "plan old" : "plan"}>
      <p>
        <span className={`badge tone-${TONES[fit.verdict]}`}>{t(VERDICTS[fit.verdict])}</span> {t("plan.position", { n: plan.position })}
        {estimate?.start_at_low == null ? null : (
          <span className="muted">
            {" "}
            ·{" "}
            {estimateText(t, "starts", left(estimate.start_at_low), estimate.start_at_high === null ? null : left(estimate.start_at_high))}
          </span>
        )}
      </p>
      <p className="muted">
        {t("plan.needs", { nodes: needs.nodes, gpus: needs.gpus_per_node, cpus: needs.cpus_per_node })} · {visible(plan.profile.name)} ·
        verl {visible(plan.profile.verl_version)}
      </p>
      {plan.warnings.map((warning) => (
        <p key={`${warning.code} ${warning.text}`} className="notice warn" lang="en">
          {visible(warning.text)}
        </p>
      ))}
      <Training training={plan.training} />
      <NodeFit rows={fit.per_node} />
      <details>
        <summary>{t("plan.command")}</summary>
        <Copy text={command} what={t("plan.command")} />
        <pre className="code" tabIndex={0} aria-label={t("plan.command")}>
          {command.split("\n").map(visible).join("\n")}
        </pre>
      </details>
    </div>
  );
}

function Training({ training }: { readonly training: PlanWire["training"] }) {
  const t = useWords();
  if (training == null) return null;
  const facts: readonly (readonly [key: Key, value: string | null])[] = [
    ["plan.rows", training.train_rows === null ? null : training.train_rows.toLocaleString("en")],
    ["plan.steps", training.total_steps === null ? null : String(training.total_steps)],
    ["plan.checkpoints", training.checkpoints === null ? null : String(training.checkpoints)],
    ["plan.checkpointSize", training.checkpoint_bytes === null ? null : bytes(training.checkpoint_bytes)],
  ];
  return (
    <dl className="facts-grid">
      {facts.map(([key, value]) =>
        value === null ? null : (
          <div key={key}>
            <dt>{t(key)}</dt>
            <dd>{value}</dd>
          </div>
        ),
      )}
    </dl>
  );
}

/** As a shell would take it. */
function quoted(argument: string): string {
  return /^[\w@%+=:,./-]+$/.test(argument) ? argument : `'${argument.replaceAll("'", `'\\''`)}'`;
}
