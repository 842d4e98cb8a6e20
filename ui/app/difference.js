// What a change does: to objects, and to haproxy.cfg, and what HAProxy says of it.

import { changes as fieldChanges } from "./draft.js";
import * as format from "./format.js";
import { html } from "./html.js";
import { Badge, Problem, sentence } from "./parts.js";
import { pathOf } from "./router.js";
import { Unified } from "./source.js";

/** @typedef {import("./types.js").ObjectChange} ObjectChange
 *  @typedef {import("./types.js").Preview} Preview */

/** At most this many objects are shown with their fields. */
const mostObjects = 200;

/** What would change, whether HAProxy reloads, and why.
 * @param {{preview: Preview, problem?: string, output?: string, drop?: (id: string) => any, title?: string}} props drop: offers to take an object out */
export function PreviewPanels({ preview: p, problem, output, drop, title = "What a commit does" }) {
  return html`<section class="panel" aria-label=${title}><h2>${title}</h2>
      ${problem ? html`<${Problem} error=${{ message: problem, output }} />` : html`<${Path} preview=${p} />`}
      ${p.warnings?.map((w) => html`<p key=${w} class="fair">${sentence(w)}</p>`)}</section>
    <${ObjectChanges} changes=${p.changes} drop=${drop} />
    ${p.config && html`<section class="panel" aria-label="Changes of haproxy.cfg"><h2>haproxy.cfg</h2><${Unified} text=${p.config} /></section>`}`;
}

/** @param {{preview: Preview}} props */
function Path({ preview: p }) {
  if (p.changes.length === 0) return html`<p>Nothing would change.</p>`;
  const accepted = html`<p class="muted">HAProxy has checked the result and accepts it.</p>`;
  if (p.path !== "reload") {
    return html`<p><${Badge} kind="good">no reload</${Badge}> ${p.path === "runtime" ? "HAProxy applies it while it runs." : "HAProxy has nothing to do."}</p>${accepted}`;
  }
  const reasons = p.reasons ?? [];
  return html`<p><${Badge} kind="fair">reload</${Badge}> One reload of HAProxy, which interrupts no request${reasons.length > 0 ? ", because:" : "."}</p>
    <ul class="consequences">${reasons.slice(0, 10).map((r) => html`<li key=${r}>${r}</li>`)}${reasons.length > 10 && html`<li>${reasons.length - 10} more</li>`}</ul>${accepted}`;
}

/** @param {{changes: ObjectChange[], drop?: (id: string) => any, titles?: string[]}} props titles: of the two states */
export function ObjectChanges({ changes, drop, titles = ["Now", "Then"] }) {
  if (changes.length === 0) return null;
  return html`<section class="panel changes" aria-label="Changes of objects"><h2>Objects <span class="count">${changes.length}</span></h2>
    ${changes.slice(0, mostObjects).map((c) => html`<${OneChange} key=${c.id} change=${c} drop=${drop} titles=${titles} />`)}
    ${changes.length > mostObjects && html`<p class="muted">${format.count(changes.length - mostObjects, "more object")}</p>`}</section>`;
}

/** What happens to an object, and the color of it.
 * @param {ObjectChange} c
 * @returns {[string, string]} */
export function kindOfChange(c) {
  return c.before === null ? ["created", "good"] : c.after === null ? ["deleted", "bad"] : ["changed", "info"];
}

/** Fields that say nothing beside the id. */
const known = new Set(["id", "_type", "key", "etag"]);

/** @param {{change: ObjectChange, drop?: (id: string) => any, titles: string[]}} props */
function OneChange({ change: c, drop, titles }) {
  const [words, kind] = kindOfChange(c);
  const rows = fieldChanges(c.before ?? {}, c.after ?? {}).filter((r) => !known.has(r.field) && !(r.field === "name" && c.id.startsWith("frontend/")) && !(c.before === null && r.after === "[]"));
  return html`<article class="change" aria-label=${c.id}>
    <h3><a href=${pathOf(c.id)}>${c.id}</a> <${Badge} kind=${kind}>${words}</${Badge}><span class="grow"></span>${drop?.(c.id)}</h3>
    ${c.after !== null && html`<div class="scroll" tabindex="0" role="region" aria-label=${`Fields of ${c.id}`}><table>
      <thead><tr><th scope="col">Field</th>${c.before !== null && html`<th scope="col">${titles[0]}</th>`}<th scope="col">${titles[1]}</th></tr></thead>
      <tbody>${rows.map((r) => html`<tr key=${r.field}><th scope="row">${r.field}</th>${c.before !== null && html`<td><code>${r.before}</code></td>`}<td><code>${r.after}</code></td></tr>`)}</tbody></table></div>`}
  </article>`;
}
