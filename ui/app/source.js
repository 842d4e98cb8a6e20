// Text of haproxy.cfg and of the cluster, and differences, with line numbers and colors.

import { useMemo } from "preact/hooks";
import { highlight } from "./highlight.js";
import { classes, html } from "./html.js";
import { unified } from "./diff.js";

/** @param {{text: string, label?: string, pieces?: (line: string) => import("./highlight.js").Piece[]}} props pieces: what divides a line; those of haproxy.cfg by default */
export function Source({ text, label = "haproxy.cfg", pieces }) {
  return useMemo(() => html`<pre class="source" tabindex="0" aria-label=${label}>${text.replace(/\n$/, "").split("\n").map((line, i) => html`<${CodeLine} key=${i} number=${i + 1} text=${line} pieces=${pieces} />`)}</pre>`, [text, label]);
}

/** @param {{number: number|string, text: string, kind?: string, pieces?: (line: string) => import("./highlight.js").Piece[]}} props */
function CodeLine({ number, text, kind, pieces = highlight }) {
  const mark = kind === "added" ? "+" : kind === "removed" ? "−" : " ";
  return html`<span class=${classes("code", kind)}><i data-n=${number}></i>${kind && html`<b>${mark}</b>`}${pieces(text).map((p, i) => (p.kind ? html`<span key=${i} class=${"t-" + p.kind}>${p.text}</span>` : p.text))}${"\n"}</span>`;
}

/** Lines of a difference; null stands for lines left out.
 * @param {{lines: (import("./diff.js").Line|null)[]}} props */
export function Hunks({ lines }) {
  return html`<pre class="source" tabindex="0" aria-label="Changes">${lines.map((l, i) => (l ? html`<${CodeLine} key=${i} number=${l.after || l.before} text=${l.text} kind=${l.kind} />` : html`<span key=${i} class="gap">⋯${"\n"}</span>`))}</pre>`;
}

/** A difference in the unified format, as the API has it.
 * @param {{text: string}} props */
export function Unified({ text }) {
  const lines = useMemo(() => unified(text), [text]);
  return html`<${Hunks} lines=${lines} />`;
}
