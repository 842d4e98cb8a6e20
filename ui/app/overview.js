// The overview: every frontend and backend with live statistics.

import { useMemo } from "preact/hooks";
import { BackendRow, FrontendRow } from "./rows.js";
import { FormDialog } from "./forms.js";
import { ids as idsOf, shown } from "./editing.js";
import * as format from "./format.js";
import { grade, Sparkline } from "./graphs.js";
import { html } from "./html.js";
import { Icon } from "./icons.js";
import { hello, now, object } from "./live.js";
import { Notices } from "./notices.js";
import { Figure } from "./numbers.js";
import { Badge, Button, Empty, Loading, Title } from "./parts.js";
import { query, route } from "./router.js";
import { total, valuesOf } from "./series.js";
import { chosen, filters } from "./filter.js";

/** Up to this number of backends, each shows its members at first. */
const fewBackends = 6;

export function Overview() {
  const frontends = objectsOf("frontends");
  const backends = objectsOf("backends");
  const at = route.value;
  const text = at.query.get("q") ?? "";
  const only = at.query.get("show") ?? "all";
  const create = at.query.get("new");
  if (!frontends || !backends) return html`<${Title}>Overview</${Title}><${Loading} lines=${6} />`;
  const shownFrontends = frontends.filter((f) => chosen(f, { text, only, ...contextOf(f) }));
  const shownBackends = backends.filter((b) => chosen(b, { text, only, ...contextOf(b) }));
  const all = frontends.length + backends.length;
  const hidden = all - shownFrontends.length - shownBackends.length;
  return html`
    <div class="head"><${Title}>Overview</${Title}><span class="grow"></span>
      <${Button} role="admin" on="backend/" icon="plus" onClick=${() => query({ new: "backend" })}>Backend</${Button}>
      <${Button} role="admin" on="frontend/" icon="plus" onClick=${() => query({ new: "frontend" })}>Frontend</${Button}></div>
    <${Notices} />
    <${Tiles} frontends=${frontends} backends=${backends} />
    ${all === 0 ? html`<${First} />` : html`
      <${Toolbar} text=${text} only=${only} shown=${all - hidden} all=${all} />
      ${hidden === all && html`<${Empty} title="No matches"><${Button} kind="link" onClick=${() => query({ q: null, show: null })}>Show all</${Button}></${Empty}>`}
      <${List} title="Frontends" all=${frontends} shown=${shownFrontends} filtered=${Boolean(text) || only !== "all"}
        empty="No frontends yet. A frontend accepts requests at an address and sends them to a backend.">
        ${shownFrontends.map((f) => html`<${FrontendRow} key=${f.id} id=${f.id} />`)}</${List}>
      <${List} title="Backends" all=${backends} shown=${shownBackends} filtered=${Boolean(text) || only !== "all"}
        empty="No backends yet. A backend is a set of members, from Consul or from a list.">
        ${shownBackends.map((b) => html`<${BackendRow} key=${b.id} id=${b.id} open=${backends.length <= fewBackends} />`)}</${List}>`}
    ${(create === "backend" || create === "frontend") && html`<${FormDialog} kind=${create} onClose=${() => query({ new: null })} />`}`;
}

/** The objects of a topic, sorted by key; null until they are known. The draft that is
 * edited has its own of some.
 * @param {"frontends"|"backends"} topic
 * @returns {any[]|null} */
export function objectsOf(topic) {
  const ids = idsOf(topic);
  return useMemo(() => ids && [...ids].sort((a, b) => a.localeCompare(b, "en", { numeric: true })), [ids])?.map(shown).filter(Boolean) ?? null;
}

/** What the filters need besides the object: its statistics and its service. The
 * page follows neither of them; the problems filter runs once a second instead.
 * @param {any} o */
function contextOf(o) {
  if (route.peek().query.get("show") === "problems") void now.value;
  return { stat: object("stat/" + o.id).peek(), service: o.name && object("service/" + o.name).peek() };
}

/** @param {{title: string, all: any[], shown: any[], filtered: boolean, empty: string, children?: any}} props */
function List({ title, all, shown, filtered, empty, children }) {
  if (filtered && shown.length === 0) return null;
  return html`<section class="list" aria-label=${title}>
    <h2>${title} <span class="count">${filtered ? `${shown.length} of ${all.length}` : all.length}</span></h2>
    ${all.length === 0 ? html`<${Empty} title=${`No ${title.toLowerCase()}`}>${empty}</${Empty}>`
      : html`<div class="rows">${children}</div>`}
  </section>`;
}

/** @param {{text: string, only: string, shown: number, all: number}} props */
function Toolbar({ text, only, shown, all }) {
  return html`<div class="toolbar" role="search">
    <div class="search"><${Icon} name="search" />
      <input type="search" aria-label="Search frontends and backends" placeholder="Search by name, service, version, address…" value=${text}
        onInput=${(/** @type {any} */ e) => query({ q: e.target.value })} /></div>
    <div class="chips" role="group" aria-label="Show">
      ${filters.map((f) => html`<button key=${f.name} type="button" aria-pressed=${f.name === only ? "true" : "false"}
        onClick=${() => query({ show: f.name === "all" ? null : f.name })}>${f.title}</button>`)}
    </div>
    <span class="muted" role="status">${shown < all ? `${shown} of ${all}` : ""}</span>
  </div>`;
}

/** The totals of this node.
 * @param {{frontends: any[], backends: any[]}} props */
function Tiles({ frontends, backends }) {
  const status = object("status").value;
  const ids = frontends.map((f) => "stat/" + f.id);
  const stats = ids.map((id) => object(id).value).filter(Boolean);
  const sum = (/** @type {(s: import("./types.js").Stat) => number} */ of) => total(stats.map(of));
  const pools = backends.map((b) => object("stat/" + b.id).value).filter(Boolean);
  const healthy = pools.reduce((n, p) => n + (p.healthy ?? 0), 0);
  const members = pools.reduce((n, p) => n + (p.members ?? 0), 0);
  const errors = sum((s) => valuesOf(s).errors) ?? 0;
  return html`<section class="tiles" aria-label="This load balancer">
    <div class="tile"><${Figure} label="requests/s" value=${format.number(sum((s) => valuesOf(s).requests))}><${Sparkline} sum=${ids} /></${Figure}></div>
    <div class="tile"><${Figure} label="connections" value=${format.number(sum((s) => s.connections?.current ?? NaN))}><${Sparkline} sum=${ids} name="connections" /></${Figure}></div>
    <div class="tile"><${Figure} label="errors/s" kind=${errors > 0 ? "bad" : ""} value=${format.number(sum((s) => valuesOf(s).errors))}><${Sparkline} sum=${ids} name="errors" bad /></${Figure}></div>
    <div class="tile"><${Figure} label="healthy members" kind=${healthy === members ? "" : grade(healthy, members) === "bad" ? "bad" : "fair"} value=${pools.length ? html`${format.number(healthy)}<small> / ${format.number(members)}</small>` : format.unknown} /></div>
    <div class="tile facts">${status && html`
      <p><${Process} haproxy=${status.haproxy} /></p>
      <p class="muted">Revision ${status.inEffect}${status.inEffect === status.revision ? " in effect" : html` in effect, <b class="bad">${status.revision} pending</b>`}</p>
      <p class="muted">Agent ${hello.value?.version ?? status.version}, up ${uptime(now.value - Date.parse(status.started))}</p>`}</div>
  </section>`;
}

/** Whether HAProxy runs here. If Pacemaker runs it on other nodes, that is no problem.
 * @param {{haproxy: import("./types.js").Status["haproxy"]}} props */
function Process({ haproxy: h }) {
  if (h.idle) return html`<${Badge} title="Pacemaker decides where HAProxy runs. Its configuration is ready here">HAProxy not active here</${Badge}>`;
  return html`<${Badge} kind=${h.running ? "good" : "bad"}>HAProxy ${h.running ? "running" : "down"}</${Badge}> <span class="muted">${h.version}</span>`;
}

/** @param {number} ms */
function uptime(ms) {
  return ms < 60_000 ? "less than a minute" : format.duration(Math.floor(ms / 60_000) * 60_000);
}

/** Shown while the node has no frontends and backends. */
function First() {
  return html`<${Empty} title="No frontends and backends yet">
    <p>First create a backend: the healthy instances of one version of a Consul service, or a list of addresses. Then create a frontend: the address where HAProxy accepts requests.</p>
    <p><${Button} kind="primary" role="admin" on="backend/" icon="plus" onClick=${() => query({ new: "backend" })}>Create the first backend</${Button}></p>
  </${Empty}>`;
}
