// The state of the cluster at an instant of the past.

import { useState } from "preact/hooks";
import { Addresses, Matrix } from "./cluster.js";
import * as format from "./format.js";
import { html } from "./html.js";
import { now } from "./live.js";
import { useLoaded } from "./loaded.js";
import { Button, Loading, Problem } from "./parts.js";
import { here, ofImport } from "./pastplace.js";
import { usePlace } from "./place.js";
import { get } from "./rest.js";
import { query } from "./router.js";

/** @typedef {import("./types.js").PastRecord} PastRecord */

/** A time as an input of type datetime-local has it: of this browser's zone, to the second.
 * @param {string} time RFC 3339; empty: none */
function local(time) {
  const t = new Date(time);
  return Number.isNaN(t.getTime()) ? "" : new Date(t.getTime() - t.getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
}

/** A field that chooses an instant.
 * @param {{value: string}} props RFC 3339; empty: none is chosen */
export function Instant({ value }) {
  const [text, setText] = useState(local(value));
  const show = (/** @type {Event} */ e) => {
    e.preventDefault();
    const t = new Date(text);
    if (!Number.isNaN(t.getTime())) query({ at: t.toISOString().replace(".000Z", "Z") });
  };
  return html`<form class="toolbar" aria-label="Any instant" onSubmit=${show}>
    <label class="choice"><span class="muted">State at</span> <input type="datetime-local" step="1" required aria-label="Time" value=${text} onInput=${(/** @type {any} */ e) => setText(e.target.value)} /></label>
    <${Button} type="submit">Show</${Button}></form>`;
}

/** The state at an instant, as the page of the cluster shows the state now.
 * @param {{at: string}} props RFC 3339 */
export function Moment({ at }) {
  const path = ofImport(`${usePlace().base}/history/at?${new URLSearchParams({ time: at })}`);
  const { data, error, again } = useLoaded(path, (signal) => get(path, signal));
  if (!data) return html`<${Problem} error=${error} onRetry=${again} />${!error && html`<${Loading} lines=${6} />`}`;
  /** @type {PastRecord} */
  const past = data.past;
  const change = past.changes.length > 0 && ` The configuration was changed since: ${past.changes.map((a) => `${a.name || "somebody"}${a.object ? `, ${a.kind ?? ""} ${a.object}` : a.client ? ` with ${a.client}` : ""}`).join("; ")}.`;
  return html`<section class="strip past" aria-label="The past" role="note">
      <span><b>This is the past: ${format.clock(past.time, now.peek())}.</b> <span class="muted">As of the transition of ${format.clock(past.recorded, now.peek())}, ${format.duration(past.ageMs)} before${past.operations.length > 0 ? `, with ${format.count(past.operations.length, "operation")} that had ended since` : ""}.${change}
        ${past.next ? "" : "There is no later transition: nothing is known of what was done since."}</span></span>
      <span class="grow"></span><a class="button" href=${here({ id: past.transition, at: null })}>Transition before</a> ${past.next && html`<a class="button" href=${here({ id: past.next, at: null })}>Transition after</a>`}
      <${Button} onClick=${() => query({ at: null })}>Close</${Button}></section>
    <${Addresses} cluster=${data} /><${Matrix} cluster=${data} />`;
}
