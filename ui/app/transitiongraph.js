// A transition as a drawing.

import { useEffect, useMemo, useState } from "preact/hooks";
import { html } from "./html.js";
import { Loading } from "./parts.js";
import { drawn, label, mostDrawn } from "./transition.js";

/** @typedef {import("./types.js").Transition} Transition
 *  @typedef {import("./types.js").TransitionStep} TransitionStep */

const height = 40;
const perLetter = 7.2;
const margin = 12;

/** Places the steps from left to right in the order in which they are done.
 * @param {any} dagre the library, which is loaded when the first graph is drawn
 * @param {Transition} graph */
function layOut(dagre, graph) {
  const { steps, edges } = drawn(graph);
  if (steps.length > mostDrawn) return null;
  const g = new dagre.graphlib.Graph();
  g.setGraph({ rankdir: "LR", nodesep: 14, ranksep: 44, marginx: margin, marginy: margin });
  g.setDefaultEdgeLabel(() => ({}));
  for (const s of steps) g.setNode(String(s.id), { width: 24 + perLetter * Math.max(label(s).length, (s.node ?? "").length), height });
  for (const e of edges) g.setEdge(String(e.from), String(e.to));
  dagre.layout(g);
  const { width = 0, height: tall = 0 } = g.graph();
  return {
    width: Math.ceil(width), height: Math.ceil(tall),
    steps: steps.map((s) => ({ step: s, ...g.node(String(s.id)) })),
    edges: edges.map((e) => ({ key: `${e.from}-${e.to}`, points: g.edge(String(e.from), String(e.to)).points })),
  };
}

/** @param {{graph: Transition}} props */
export function TransitionGraph({ graph }) {
  const [dagre, setDagre] = useState(/** @type {any} */ (null));
  useEffect(() => void import("@dagrejs/dagre").then((library) => setDagre(() => library.default)), []);
  const placed = useMemo(() => dagre && layOut(dagre, graph), [dagre, graph]);
  if (!dagre) return html`<${Loading} />`;
  if (!placed) return html`<p class="muted">The transition has more than ${mostDrawn} steps, which is too much to draw. The table has them in their order.</p>`;
  if (placed.steps.length === 0) return null;
  return html`<div class="scroll transition" tabindex="0" role="region" aria-label="Drawing of the transition">
    <svg width=${placed.width} height=${placed.height} viewBox=${`0 0 ${placed.width} ${placed.height}`} role="img" aria-label=${`${placed.steps.length} steps; the table below has them in their order`}>
      <defs><marker id="arrow" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path d="M0 0 8 4 0 8z" /></marker></defs>
      ${placed.edges.map((/** @type {any} */ e) => html`<path key=${e.key} class="wait" marker-end="url(#arrow)" d=${"M" + e.points.map((/** @type {{x: number, y: number}} */ p) => `${p.x.toFixed(1)} ${p.y.toFixed(1)}`).join(" L")} />`)}
      ${placed.steps.map((/** @type {any} */ { step, x, y, width }) => html`<g key=${step.id} class=${"step " + colorOf(step)} transform=${`translate(${(x - width / 2).toFixed(1)} ${(y - height / 2).toFixed(1)})`}>
        <title>${label(step)}${step.node ? ` on ${step.node}` : ""}, order ${step.order}</title>
        <rect width=${width.toFixed(1)} height=${height} rx="6" />
        <text x=${(width / 2).toFixed(1)} y="17">${label(step)}</text><text class="on" x=${(width / 2).toFixed(1)} y="32">${step.kind === "fence" ? "" : step.node}</text></g>`)}
    </svg></div>`;
}

/** @param {TransitionStep} s */
function colorOf(s) {
  if (s.kind === "fence") return "fencing";
  if (s.operation === "stop" || s.operation === "demote") return "stopping";
  return s.operation === "monitor" ? "watching" : "starting";
}
