// A failover or a move, explained: its phases one below the other, and what cost time.

import * as format from "./format.js";
import { html } from "./html.js";
import { now } from "./live.js";
import { useLoaded } from "./loaded.js";
import { Badge, Loading, Problem } from "./parts.js";
import { ofImport } from "./pastplace.js";
import { get } from "./rest.js";
import { bars, instant, phaseName, took } from "./waterfall.js";

/** @typedef {import("./types.js").PastExplanation} PastExplanation
 *  @typedef {import("./types.js").PastPhase} PastPhase */

/** The size of a bar in its own units. */
const width = 300;
const height = 16;

/** @param {{path: string}} props */
export function Explanation({ path }) {
  const { data, error, again } = useLoaded(path + "/explanation", (signal) => get(ofImport(path + "/explanation"), signal));
  if (error) return html`<${Problem} error=${error} onRetry=${again} />`;
  if (!data) return html`<${Loading} lines=${6} />`;
  /** @type {PastExplanation} */
  const e = data;
  return html`<section class="panel" aria-label="Explanation"><h2>Explanation</h2>
      <p><b>${e.summary}</b>${e.phases.length > 0 ? ` From begin to end: ${took(e.total)}.` : ""}</p>
      ${e.phases.length > 0 && html`<${Phases} phases=${e.phases} />`}
      ${e.notes.length > 0 && html`<ul class="plain muted" aria-label="Notes">${e.notes.map((n) => html`<li key=${n}>${n}</li>`)}</ul>`}
      ${e.missing.length > 0 && html`<p class="muted">Some logs are missing, because these agents have not sent them: ${e.missing.join(", ")}.</p>`}</section>
    ${e.advice.length > 0 && html`<section class="panel" aria-label="Advice"><h2>What cost time</h2><ul class="plain">${e.advice.map((a, n) => html`<li key=${n}>
      <${Badge} kind="fair">${a.atMost ? "at most " : ""}${format.duration(a.costMs)}</${Badge}> <b>${a.rule}</b>: ${a.text}</li>`)}</ul></section>`}`;
}

/** The phases with their bars of time. What is possible only is pale.
 * @param {{phases: PastPhase[]}} props */
function Phases({ phases }) {
  const clock = (/** @type {string} */ time) => format.clock(time, now.peek()) + (Date.parse(time) % 1000 ? "." + String(Date.parse(time) % 1000).padStart(3, "0") : "");
  const drawn = bars(phases);
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Table of phases"><table>
    <thead><tr><th scope="col">Phase</th><th scope="col">When</th><th scope="col">Took</th><th scope="col">Began</th><th scope="col">Ended</th><th scope="col">Records</th></tr></thead>
    <tbody>${phases.map((p, n) => html`<tr key=${n}>
      <td>${phaseName(p)}${p.resource || p.node ? html` <span class="muted">${[p.resource, p.node].filter(Boolean).join(" on ")}</span>` : ""}</td>
      <td><${Bar} possible=${drawn[n].possible} certain=${drawn[n].certain} /></td><td class="took">${took(p.took)}</td>
      <td>${instant(p.begin, clock)}</td><td>${instant(p.end, clock)}</td>
      <td>${!p.recorded && html`<span class="muted">not recorded itself; </span>`}${p.sources.map((s) => `${s.kind}: ${s.text}`).join("; ")}</td></tr>`)}</tbody></table></div>`;
}

/** One bar. The table has the same in words.
 * @param {{possible: [number, number], certain: [number, number]|null}} props */
function Bar({ possible, certain }) {
  const rect = (/** @type {string} */ name, /** @type {[number, number]} */ part) => html`<rect class=${name} x=${part[0] * (width - 4)} y="2" width=${Math.max(4, (part[1] - part[0]) * (width - 4))} height=${height - 4} />`;
  return html`<svg class="waterfall" viewBox=${`0 0 ${width} ${height}`} aria-hidden="true">${rect("possible", possible)}${certain && rect("certain", certain)}</svg>`;
}
