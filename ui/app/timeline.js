// A line of time with a dot for each transition of the cluster.

import { useState } from "preact/hooks";
import * as format from "./format.js";
import { html } from "./html.js";
import { now } from "./live.js";
import { Button } from "./parts.js";

/** @typedef {import("./types.js").PastTransition} PastTransition
 *  @typedef {import("./types.js").Authorship} Authorship */

/** The size of the drawing in its own units. */
const width = 1000;
const height = 48;
const margin = 12;

/** @param {string} tag */
export function kindOfTag(tag) {
  return { error: "bad", warning: "fair" }[tag] ?? "info";
}

/** What was decided, in one line.
 * @param {PastTransition} t */
export function decided(t) {
  if (!t.known) return "(the scheduler has not been asked yet)";
  const list = t.decisions ?? [];
  if (list.length === 0) return "nothing";
  const words = list.slice(0, 4).map((d) => [d.action, d.resource, d.from ? `${d.from} → ${d.node}` : (d.resource ? "on " : "") + d.node].filter(Boolean).join(" "));
  return words.join("; ") + (list.length > 4 ? `; and ${list.length - 4} more` : "");
}

/** Who changed the configuration, and what, in a few words.
 * @param {Authorship} a */
export function changed(a) {
  if (a.job) return `${a.name || "somebody"}: ${[a.kind ?? "a job", a.object].filter(Boolean).join(" ")}`;
  return a.client ? `${a.name || "somebody"}: ${a.client}${a.node ? ` on ${a.node}` : ""}` : `${format.count(a.versions, "version")} by somebody`;
}

/** Whether a transition tells of anything: a decision, a change of the configuration or a mistake in it.
 * @param {PastTransition} t */
export function tells(t) {
  return !t.known || t.tag === "error" || (t.decisions ?? []).length > 0 || (t.authors ?? []).length > 0;
}

/** @param {{transitions: PastTransition[], chosen: string, onChoose: (id: string) => void}} props the newest first */
export function TimeLine({ transitions, chosen, onChoose }) {
  const times = transitions.map((t) => Date.parse(t.time));
  const [zoom, setZoom] = useState({ from: NaN, to: NaN });
  const from = Number.isNaN(zoom.from) ? Math.min(...times) : zoom.from;
  const to = Math.max(Number.isNaN(zoom.to) ? Math.max(...times) : zoom.to, from + 1000);
  const x = (/** @type {number} */ time) => margin + ((time - from) / (to - from)) * (width - 2 * margin);
  const shown = transitions.filter((_, i) => times[i] >= from && times[i] <= to);
  const center = Date.parse(transitions.find((t) => t.id === chosen)?.time ?? "") || (from + to) / 2;
  const scale = (/** @type {number} */ factor) => setZoom({ from: center - (center - from) * factor, to: center + (to - center) * factor });
  return html`<section class="panel timeline" aria-label="Time line">
    <svg viewBox=${`0 0 ${width} ${height}`} role="img" aria-label=${`${format.count(shown.length, "transition")} from ${format.clock(from, now.peek())} to ${format.clock(to, now.peek())}`}>
      <line class="axis" x1="0" y1=${height / 2} x2=${width} y2=${height / 2} />
      ${shown.map((t) => html`<circle key=${t.id} class=${`dot ${kindOfTag(t.tag)}${t.id === chosen ? " chosen" : ""}`} cx=${x(Date.parse(t.time))} cy=${height / 2} r=${t.id === chosen ? 9 : 6} onClick=${() => onChoose(t.id)}>
        <title>${`${format.clock(t.time, now.peek())}, ${t.tag}, DC ${t.dc}: ${decided(t)}`}</title></circle>`)}
    </svg>
    <p class="ends"><span>${format.clock(from, now.peek())}</span><span class="grow"></span>
      <${Button} kind="quiet" onClick=${() => scale(0.5)}>Zoom in</${Button}> <${Button} kind="quiet" onClick=${() => scale(2)}>Zoom out</${Button}>
      <${Button} kind="quiet" onClick=${() => setZoom({ from: NaN, to: NaN })}>All</${Button}>
      <span class="grow"></span><span>${format.clock(to, now.peek())}</span></p>
  </section>`;
}
