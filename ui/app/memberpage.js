// One member of a backend: HAProxy's word on it, and when it was up and down.

import { useEffect, useState } from "preact/hooks";
import { kindOf, wordsOf } from "./events.js";
import * as format from "./format.js";
import { classes, html } from "./html.js";
import { follow, list, now } from "./live.js";
import { addressOf, checkWords, statID } from "./members.js";
import { statusKind } from "./numbers.js";
import { Badge, Dialog, Empty, Loading, Problem } from "./parts.js";
import { get } from "./rest.js";

/** Events of a member that are shown. */
const shown = 50;

/** @param {{backend: import("./types.js").Backend, address: string, onClose: () => void}} props address: HOST:PORT of the member */
export function MemberDialog({ backend, address, onClose }) {
  const member = backend.members?.find((m) => addressOf(m) === address);
  return html`<${Dialog} title=${`Member ${address} of ${backend.key}`} wide onClose=${onClose}>
    <div class="body">${member ? html`<${Facts} backend=${backend} member=${member} /><${History} member=${member} />`
      : html`<${Empty} title="Not a member">${backend.key} does not have this member now.</${Empty}>`}</div>
  </${Dialog}>`;
}

/** @param {{backend: import("./types.js").Backend, member: import("./types.js").Member}} props */
function Facts({ backend, member: m }) {
  /** @type {import("./types.js").Stat|undefined} */
  const stat = follow(statID(backend.key, m), true);
  const fact = (/** @type {string} */ name, /** @type {any} */ value) => value && html`<dt>${name}</dt><dd>${value}</dd>`;
  const check = stat?.check;
  return html`<dl class="facts">
    ${fact("Status", html`<${Badge} kind=${statusKind(stat?.status)}>${stat?.status ?? "not in HAProxy"}</${Badge}>${check?.sinceMs ? ` since ${format.clock(check.sinceMs, now.value)}` : ""}`)}
    ${fact("Check", check?.status && `${check.status}${check.code ? ` ${check.code}` : ""}: ${checkWords(check)}`)}
    ${fact("Down in total", stat?.downtimeMs !== undefined && format.duration(stat.downtimeMs))}
    ${fact("Version", m.version)}${fact("Server line", stat?.server)}
  </dl>`;
}

/** What Consul and HAProxy said of a member, newest first.
 * @param {{member: import("./types.js").Member}} props */
function History({ member: m }) {
  const [events, setEvents] = useState(/** @type {import("./types.js").Event[]|null} */ (null));
  const [error, setError] = useState(/** @type {any} */ (null));
  const newest = list("activity").value?.at(-1);
  useEffect(() => {
    const stop = new AbortController();
    get(`/activity?limit=${shown}&filter=${encodeURIComponent(m.id)}`, stop.signal).then((/** @type {import("./types.js").Event[]} */ all) => {
      setEvents(all.filter((e) => e.object.id === m.id).reverse());
      setError(null);
    }).catch((failure) => stop.signal.aborted || setError(failure));
    return () => stop.abort();
  }, [m.id, newest]);
  return html`<h3>Up and down</h3><${Problem} error=${error} />
    ${!events ? !error && html`<${Loading} lines=${2} />` : events.length === 0 ? html`<p class="muted">The activity log has no change of this member.</p>`
      : html`<ol class="moves" aria-label="Changes of this member, newest first">${events.map((e) => html`<li key=${e.seq}>
        <span class=${classes("dot", kindOf(e).kind)} aria-hidden="true"></span><time datetime=${new Date(e.time).toISOString()}>${format.clock(e.time, now.value)}</time>
        <b>${kindOf(e).title}</b><span class="sub">${[e.cause, wordsOf(e) !== e.cause && wordsOf(e)].filter(Boolean).join("; ")}</span></li>`)}</ol>`}
    <p><a href=${`/activity?object=${encodeURIComponent(m.id)}`}>In the activity log</a></p>`;
}
