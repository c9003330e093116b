import type { PoolNode } from "./node-card.tsx";

/** What an operator may do with a node. */
export function NodeActions(_props: { readonly node: PoolNode }) {
  return null;
}
