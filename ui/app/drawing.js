// Boxes and lines between them, laid out by a library.

import { useEffect, useMemo, useState } from "preact/hooks";
import { html } from "./html.js";
import { Loading } from "./parts.js";

/** @typedef {{id: string, lines: string[], kind: string, title?: string}} Box lines: the first one is its name; kind: classes
 *  @typedef {{from: string, to: string, kind: string, label?: string, title?: string, arrow?: "from"|"to"|"none"}} Line
 * arrow: where it points to; "to" by default */

/** The most boxes that are laid out. More take a browser too long. */
export const mostDrawn = 300;

const perLetter = 7.2;
const lineHeight = 15;
const margin = 12;

/** @param {Box} box */
const heightOf = (box) => 10 + lineHeight * Math.max(box.lines.length, 2);

/** Places boxes from left to right.
 * @param {any} dagre the library, which is loaded when the first drawing is made
 * @param {Box[]} boxes
 * @param {Line[]} lines */
function layOut(dagre, boxes, lines) {
  const g = new dagre.graphlib.Graph({ multigraph: true });
  g.setGraph({ rankdir: "LR", nodesep: 14, ranksep: 44, marginx: margin, marginy: margin });
  for (const b of boxes) g.setNode(b.id, { width: 24 + perLetter * Math.max(...b.lines.map((l) => l.length)), height: heightOf(b) });
  lines.forEach((e, n) => g.setEdge(e.from, e.to, e.label ? { width: perLetter * e.label.length, height: lineHeight, labelpos: "c" } : {}, String(n)));
  dagre.layout(g);
  const { width = 0, height = 0 } = g.graph();
  return {
    width: Math.ceil(width), height: Math.ceil(height),
    boxes: boxes.map((box) => ({ box, ...g.node(box.id) })),
    lines: lines.map((line, n) => ({ line, ...g.edge(line.from, line.to, String(n)) })),
  };
}

/** @param {{boxes: Box[], lines: Line[], label: string, words: string, tooMany: string}} props
 * label: of the region; words: what a screen reader says of it; tooMany: in place of more than mostDrawn */
export function Drawing({ boxes, lines, label, words, tooMany }) {
  const [dagre, setDagre] = useState(/** @type {any} */ (null));
  useEffect(() => void import("@dagrejs/dagre").then((library) => setDagre(() => library.default)), []);
  const placed = useMemo(() => (dagre && boxes.length <= mostDrawn ? layOut(dagre, boxes, lines) : null), [dagre, boxes, lines]);
  if (boxes.length > mostDrawn) return html`<p class="muted">${tooMany}</p>`;
  if (!placed) return html`<${Loading} />`;
  if (boxes.length === 0) return null;
  return html`<div class="scroll drawing" tabindex="0" role="region" aria-label=${label}>
    <svg width=${placed.width} height=${placed.height} viewBox=${`0 0 ${placed.width} ${placed.height}`} role="img" aria-label=${words}>
      <defs><marker id="arrow" viewBox="0 0 8 8" refX="8" refY="4" markerWidth="7" markerHeight="7" orient="auto-start-reverse"><path d="M0 0 8 4 0 8z" /></marker></defs>
      ${placed.lines.map((/** @type {any} */ { line, points, x, y }, /** @type {number} */ n) => html`<g key=${n} class=${line.kind}>${line.title && html`<title>${line.title}</title>`}
        <path class="line" marker-start=${line.arrow === "from" ? "url(#arrow)" : undefined} marker-end=${line.arrow ? (line.arrow === "to" ? "url(#arrow)" : undefined) : "url(#arrow)"}
          d=${"M" + points.map((/** @type {{x: number, y: number}} */ p) => `${p.x.toFixed(1)} ${p.y.toFixed(1)}`).join(" L")} />
        ${line.label && html`<text class="label" x=${x.toFixed(1)} y=${(y + 4).toFixed(1)}>${line.label}</text>`}</g>`)}
      ${placed.boxes.map((/** @type {any} */ { box, x, y, width, height }) => html`<g key=${box.id} class=${box.kind} transform=${`translate(${(x - width / 2).toFixed(1)} ${(y - height / 2).toFixed(1)})`}>
        ${box.title && html`<title>${box.title}</title>`}<rect width=${width.toFixed(1)} height=${height} rx="6" />
        ${box.lines.map((/** @type {string} */ text, /** @type {number} */ i) => html`<text key=${i} class=${i > 0 ? "on" : ""} x=${(width / 2).toFixed(1)} y=${17 + lineHeight * i + (box.lines.length === 1 ? 7 : 0)}>${text}</text>`)}</g>`)}
    </svg></div>`;
}
