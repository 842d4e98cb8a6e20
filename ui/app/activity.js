// The activity page: events, newest first.

import { useEffect, useState } from "preact/hooks";
import * as format from "./format.js";
import { classes, html } from "./html.js";
import { Icon } from "./icons.js";
import { list, model, now } from "./live.js";
import { Badge, Button, Empty, Loading, Problem, Title } from "./parts.js";
import { get } from "./rest.js";
import { pathOf, query, route } from "./router.js";
import { grouped, kinds, kindOf, matches, nameOf, severityOf, wordsOf } from "./events.js";

/** @typedef {import("./types.js").Event} Event */

/** Events loaded with one request. */
const page = 100;

export function Activity() {
  const ids = list("activity").value;
  const at = route.value.query;
  const text = at.get("q") ?? "";
  const verb = at.get("verb") ?? "";
  const about = at.get("object") ?? "";
  const [older, setOlder] = useState(/** @type {{filter: string, events: Event[], end: boolean}} */ ({ filter: "", events: [], end: false }));
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState(/** @type {any} */ (null));
  const live = [...model.objects("activity").values()];
  const known = merged(live, older.events);
  const shown = known.filter((e) => matches(e, { text, verb, about }));
  const load = async () => {
    setBusy(true);
    setError(null);
    try {
      const before = older.events[0]?.seq ?? live[0]?.seq;
      /** @type {Event[]} */
      const events = await get(`/activity?limit=${page}${before ? `&before=${before}` : ""}`);
      setOlder((o) => ({ filter: "", events: [...events, ...o.events], end: events.length < page }));
    } catch (failure) {
      setError(failure);
    } finally {
      setBusy(false);
    }
  };
  // While a filter matches few events, load older ones, up to a limit.
  useEffect(() => {
    if (ids && (text || verb || about) && shown.length < 20 && known.length < 1000 && !older.end && !busy && !error) void load();
  }, [ids, text, verb, about, shown.length, older.events.length, busy]);
  if (!ids) return html`<${Title}>Activity</${Title}><${Loading} lines=${8} />`;
  const end = older.end || known[known.length - 1]?.seq === 1;
  return html`
    <div class="head"><${Title}>Activity</${Title}></div>
    <${Filters} text=${text} verb=${verb} about=${about} events=${known} />
    ${shown.length === 0 && !busy ? html`<${Empty} title=${known.length ? "No matches" : "No events yet"}>
      ${known.length > 0 && html`<${Button} kind="link" onClick=${() => query({ q: null, verb: null, object: null })}>Show all</${Button}>`}</${Empty}>`
      : html`<ol class="events" aria-label="Events, newest first">${grouped(shown).map((g) => html`<${Entry} key=${g.main.seq} group=${g} />`)}</ol>`}
    <${Problem} error=${error} onRetry=${load} />
    <p class="more">${end ? html`<span class="muted">No older events are kept.</span>` : html`<${Button} busy=${busy} onClick=${load}>Show older events</${Button}>`}</p>`;
}

/** Both lists in one, newest first, without duplicates.
 * @param {Event[]} live
 * @param {Event[]} older */
function merged(live, older) {
  const bySeq = new Map([...older, ...live].map((e) => [e.seq, e]));
  return [...bySeq.values()].sort((a, b) => b.seq - a.seq);
}

/** @param {{text: string, verb: string, about: string, events: Event[]}} props */
function Filters({ text, verb, about, events }) {
  const verbs = [...new Set([...events.map((e) => e.verb), ...(verb ? [verb] : [])])].sort();
  const objects = [...new Set([...events.map((e) => e.object.id), ...(about ? [about] : [])])].sort();
  const names = new Map(events.map((e) => [e.object.id, nameOf(e)]));
  const select = (/** @type {string} */ label, /** @type {string} */ name, /** @type {string} */ value, /** @type {string[]} */ options, /** @type {(o: string) => string} */ words) => html`
    <select aria-label=${label} value=${value} onChange=${(/** @type {any} */ e) => query({ [name]: e.target.value })}>
      <option value="">${label}: all</option>${options.map((o) => html`<option key=${o} value=${o} selected=${o === value}>${words(o)}</option>`)}</select>`;
  return html`<div class="toolbar" role="search">
    <div class="search"><${Icon} name="search" /><input type="search" aria-label="Search events" placeholder="Search cause, author, changes…" value=${text}
      onInput=${(/** @type {any} */ e) => query({ q: e.target.value })} /></div>
    ${select("Event", "verb", verb, verbs, (v) => kinds[v]?.title ?? v)}
    ${select("Object", "object", about, objects, (o) => names.get(o) ?? o)}
  </div>`;
}

/** A row: the events of one cause.
 * @param {{group: import("./events.js").Group}} props */
function Entry({ group }) {
  const { main: e, parts } = group;
  const kind = kindOf(e);
  const more = parts.length || e.diff?.length || e.reasons?.length || e.error || e.author || e.cause || e.revision;
  const head = html`<span class=${classes("dot", severityOf(group))} aria-hidden="true"></span>
    <time datetime=${new Date(e.time).toISOString()} title=${new Date(e.time).toString()}>${format.clock(e.time, now.peek())}</time>
    <span class="verb">${kind.title}</span><span class="object">${nameOf(e)}</span>
    <span class="sub grow">${e.author && html`<b>${e.author}</b>: `}${wordsOf(e)}${parts.length > 0 && html` <span class="count">+${parts.length}</span>`}</span>
    ${e.path && e.path !== "none" && html`<${Badge} kind=${e.path === "reload" ? "fair" : ""}>${e.path}</${Badge}>`}
    ${e.durationMs ? html`<span class="took">${format.duration(e.durationMs)}</span>` : ""}`;
  if (!more) return html`<li class="event"><div class="summary">${head}</div></li>`;
  return html`<li class="event"><details><summary class="summary">${head}</summary><${Body} event=${e} />
    ${parts.length > 0 && html`<h3 class="with">Events with the same cause</h3><ol class="parts" aria-label="Events with the same cause">${parts.map((p) => html`<${Entry} key=${p.seq} group=${{ main: p, parts: [] }} />`)}</ol>`}</details></li>`;
}

/** @param {{event: Event}} props */
function Body({ event: e }) {
  const fact = (/** @type {string} */ name, /** @type {any} */ value) => value && html`<dt>${name}</dt><dd>${value}</dd>`;
  const target = /^(frontend|backend|certificate)\/[^/]+$/.test(e.object.id) ? html`<a href=${pathOf(e.object.id)}>${e.object.id}</a>` : html`<code>${nameOf(e)}</code>`;
  return html`<div class="about">
    <dl>${fact("Object", target)}${fact("Cause", e.cause)}${fact("Author", e.author)}${fact("Revision", e.revision && String(e.revision))}
      ${fact("Took", e.durationMs && format.duration(e.durationMs))}${fact("Applied", e.path && pathWords(e.path))}${fact("Time", new Date(e.time).toString())}${fact("Event number", String(e.seq))}</dl>
    ${e.error && html`<pre class="error" tabindex="0" aria-label="Error">${e.error}</pre>`}
    ${e.reasons?.length ? html`<h3>Reasons</h3><ul>${e.reasons.map((r, i) => html`<li key=${i}>${r}</li>`)}</ul>` : ""}
    ${e.diff?.length ? html`<h3>Changes</h3><pre class="source" tabindex="0" aria-label="Changes">${e.diff.map((d, i) => html`<span key=${i} class=${classes("code", d.startsWith("+") && "added", d.startsWith("-") && "removed")}>${d + "\n"}</span>`)}</pre>` : ""}
  </div>`;
}

/** @param {string} path */
function pathWords(path) {
  return { runtime: "at run time, without a reload", reload: "with a reload: a new worker took over", none: "no change was necessary" }[path] ?? path;
}
