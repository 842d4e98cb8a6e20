// A transition as a drawing.

import { useMemo } from "preact/hooks";
import { Drawing, mostDrawn } from "./drawing.js";
import { html } from "./html.js";
import { drawn, label } from "./transition.js";

/** @typedef {import("./types.js").Transition} Transition
 *  @typedef {import("./types.js").TransitionStep} TransitionStep */

/** @param {{graph: Transition}} props */
export function TransitionGraph({ graph }) {
  const { boxes, lines } = useMemo(() => {
    const { steps, edges } = drawn(graph);
    return {
      boxes: steps.map((s) => ({ id: String(s.id), lines: [label(s), (s.kind !== "fence" && s.node) || ""], kind: "step " + colorOf(s), title: `${label(s)}${s.node ? ` on ${s.node}` : ""}, order ${s.order}` })),
      lines: edges.map((e) => ({ from: String(e.from), to: String(e.to), kind: "wait" })),
    };
  }, [graph]);
  return html`<${Drawing} boxes=${boxes} lines=${lines} label="Drawing of the transition" words=${`${boxes.length} steps; the table below has them in their order`}
    tooMany=${`The transition has more than ${mostDrawn} steps, which is too much to draw. The table has them in their order.`} />`;
}

/** @param {TransitionStep} s */
function colorOf(s) {
  if (s.kind === "fence") return "fencing";
  if (s.operation === "stop" || s.operation === "demote") return "stopping";
  return s.operation === "monitor" ? "watching" : "starting";
}
