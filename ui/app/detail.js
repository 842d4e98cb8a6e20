// One frontend or backend with everything about it.

import { useState } from "preact/hooks";
import { CanaryPanel } from "./canary.js";
import { Chart } from "./chart.js";
import { DraftBadge } from "./draftbar.js";
import { drop, editing, ids, mark, shown } from "./editing.js";
import { DeleteDialog, FormDialog } from "./forms.js";
import * as format from "./format.js";
import { Donut } from "./graphs.js";
import { html } from "./html.js";
import { list, object } from "./live.js";
import { MemberDialog } from "./memberpage.js";
import { Members } from "./members.js";
import { Notices } from "./notices.js";
import { Figure, meanTime, statusKind, statusOf } from "./numbers.js";
import { Badge, Button, Empty, Loading, Title, toast } from "./parts.js";
import { addresses, rawTargets } from "./rawlines.js";
import { pathOf, query, route } from "./router.js";
import { NotInEffect, Trouble } from "./rows.js";
import { valuesOf } from "./series.js";
import { SwitchButton } from "./switch.js";
import { Unused } from "./unused.js";

/** @param {{kind: "frontend"|"backend", name: string}} props */
export function Detail({ kind, name }) {
  const id = `${kind}/${name}`;
  const known = list(kind + "s").value;
  const live = object(id).value;
  const o = shown(id);
  const stat = object("stat/" + id).value;
  const [removing, setRemoving] = useState(false);
  const crumbs = html`<nav class="crumbs" aria-label="Breadcrumb"><a href="/overview">Overview</a> / ${kind === "backend" ? "Backends" : "Frontends"}</nav>`;
  if (!known) return html`${crumbs}<${Title}>${name}</${Title}><${Loading} lines=${6} />`;
  if (!o) {
    return html`${crumbs}<${Title}>${name}</${Title}><${Empty} title=${`No ${kind} ${name}`}>
      <p>It was deleted, or never existed. <a href="/overview">Go to the overview</a></p></${Empty}>`;
  }
  const member = route.value.query.get("member");
  const edit = route.value.query.get("edit") !== null;
  return html`${crumbs}
    <div class="head">
      ${kind === "backend" && html`<${Donut} large healthy=${stat?.healthy} members=${stat?.members ?? o.members?.length ?? 0} />`}
      <div><${Title}>${name}</${Title}><p class="sub">${kind === "backend" ? html`<${BackendWords} backend=${o} />` : html`<code>${addresses(o)}</code>`}</p></div>
      <${Badge} kind=${statusKind(statusOf(stat))}>${statusOf(stat) ?? "not in HAProxy"}</${Badge}> <${DraftBadge} id=${id} />
      <span class="grow"></span>
      ${mark(id) === "deleted" ? html`<${Keep} id=${id} />` : html`${o.type === "dynamic" && html`<${SwitchButton} backend=${o} />`}
        <${Button} role="admin" on=${id} icon="edit" onClick=${() => query({ edit: "1" })}>Edit</${Button}>
        <${Button} role="admin" on=${id} icon="trash" kind="danger" onClick=${() => setRemoving(true)}>Delete</${Button}>`}
    </div>
    <${Notices} />
    ${kind === "backend" && html`<${CanaryPanel} name=${name} />`}
    <${Now} stat=${stat} tcp=${o.mode === "tcp"} />
    <${Charts} id=${"stat/" + id} tcp=${o.mode === "tcp"} backend=${kind === "backend"} />
    ${kind === "backend" ? html`<section class="panel" aria-label="Members"><h2>Members</h2>${live ? html`<${Members} backend=${live} full />` : html`<${NotInEffect} />`}</section>${live && html`<${Unused} backend=${live} />`}<${UsedBy} name=${name} />` : html`<${Rules} frontend=${o} />`}
    ${o.natives?.length > 0 && html`<section class="panel" aria-label="Raw lines"><h2>Raw lines</h2>
      <pre tabindex="0" aria-label="Raw lines of haproxy.cfg">${o.natives.join("\n")}</pre></section>`}
    <${Definition} object=${o} />
    ${edit && html`<${FormDialog} kind=${kind} name=${name} onClose=${() => query({ edit: null })} />`}
    ${kind === "backend" && member && html`<${MemberDialog} key=${member} backend=${o} address=${member} onClose=${() => query({ member: null })} />`}
    ${removing && html`<${DeleteDialog} id=${id} onClose=${() => setRemoving(false)} />`}`;
}

/** Takes a deletion out of the draft that is edited.
 * @param {{id: string}} props */
function Keep({ id }) {
  const draft = editing.value?.id ?? "";
  const run = () => drop(draft, [id]).catch((failure) => toast({ kind: "bad", text: `${id} stays deleted in draft ${draft}: ${failure.message}` }));
  return html`<${Button} role="admin" on=${id} icon="back" onClick=${run}>Keep it</${Button}>`;
}

/** @param {{backend: import("./types.js").Backend}} props */
function BackendWords({ backend: b }) {
  const service = b.name ? object("service/" + b.name).value : undefined;
  return html`${b.type === "dynamic" ? html`Consul service <b>${b.name}</b>` : "Static"} · ${b.balance}${b.hashStable && " (by address)"} · ${b.mode}${b.weightsBy && html` · weights and states by <b>${b.weightsBy}</b>`} <${Trouble} service=${service} />`;
}

/** @param {{stat: import("./types.js").Stat|undefined, tcp: boolean}} props */
function Now({ stat, tcp }) {
  const values = stat && valuesOf(stat);
  const rate = stat?.rate ?? {};
  const c = stat?.connections;
  const limit = stat?.type === "frontend" && c?.limit; // a backend's limit is fullconn, which has no effect here
  return html`<section class="tiles numbers" aria-label="Now">
    <div class="tile"><${Figure} label=${tcp ? "connections/s" : "requests/s"} value=${format.number(values?.requests)} /></div>
    <div class="tile"><${Figure} label=${limit ? `connections, limit ${format.number(limit)}` : "connections"} value=${html`${format.number(c?.current)}<small> / ${format.number(c?.max)} peak</small>`} /></div>
    <div class="tile"><${Figure} label="errors/s" kind=${values && values.errors > 0 ? "bad" : ""} value=${format.number(values?.errors)} /></div>
    ${stat?.queue && html`<div class="tile"><${Figure} label="queued" value=${format.number(stat.queue.current)} /></div>`}
    ${stat?.timesMs && html`<div class="tile"><${Figure} label=${tcp ? "mean session" : "mean response"} value=${meanTime(stat, tcp)} /></div>`}
    ${!tcp && html`<div class="tile classes">${["2xx", "3xx", "4xx", "5xx"].map((c) => html`<${Figure} key=${c} label=${c + "/s"} kind=${c === "5xx" && rate[c] > 0 ? "bad" : ""} value=${format.number(rate[c])} />`)}</div>`}
  </section>`;
}

/** @param {{id: string, tcp: boolean, backend: boolean}} props */
function Charts({ id, tcp, backend }) {
  const responses = backend && !tcp; // response times are known
  return html`<section class="charts" aria-label="The last five minutes">
    <${Chart} title=${tcp ? "Connections per second" : "Requests per second"} id=${id} name="requests" stroke="--chart1" format=${format.number} />
    <${Chart} title="Connections" id=${id} name="connections" stroke="--chart2" whole format=${format.number} />
    ${responses && html`<${Chart} title="Response time" id=${id} name="responseMs" stroke="--chart3" whole format=${format.duration} />`}
    <${Chart} title="Errors per second" id=${id} name="errors" stroke="--chart4" format=${format.number} />
    ${!responses && html`<${Chart} title="Bytes out per second" id=${id} name="bytesOut" stroke="--chart3" format=${format.bytes} whole />`}
  </section>`;
}

/** @param {{frontend: import("./types.js").Frontend}} props */
function Rules({ frontend: f }) {
  const to = (/** @type {string|undefined} */ key) => (key ? html`<a href=${pathOf("backend/" + key)}>${key}</a>` : html`<span class="muted">503 (no matching rule)</span>`);
  return html`<section class="panel" aria-label="Routing"><h2>Routing</h2>
    <div class="scroll" tabindex="0" role="region" aria-label="Rules in order"><table>
      <thead><tr><th scope="col">Condition</th><th scope="col">Value</th><th scope="col">Backend</th></tr></thead>
      <tbody>${f.rules.map((r, i) => html`<tr key=${i}><td><code>${r.operation}${r.header ? `(${r.header})` : ""}</code></td><td><code>${r.value}</code></td><td>${to(r.backend)}</td></tr>`)}
        <tr><td class="muted">${f.rules.length ? "otherwise" : "always"}</td><td></td><td>${to(f.backend)}</td></tr></tbody>
    </table></div></section>`;
}

/** The frontends that use a backend.
 * @param {{name: string}} props */
function UsedBy({ name }) {
  const frontends = (ids("frontends") ?? []).map(shown).filter(Boolean);
  const users = frontends.filter((f) => f.backend === name || f.rules.some((/** @type {any} */ r) => r.backend === name) || rawTargets(f).includes(name));
  return html`<section class="panel" aria-label="Used by"><h2>Used by</h2>
    ${users.length === 0 ? html`<p class="muted">No frontend uses this backend, so it gets no requests.</p>`
      : html`<ul class="links">${users.map((f) => html`<li key=${f.id}><a href=${pathOf(f.id)}>${f.key}</a> <code>${addresses(f)}</code> <span class="muted">${f.backend === name ? "default backend" : f.rules.some((/** @type {any} */ r) => r.backend === name) ? "by rule" : "by raw line"}</span></li>`)}</ul>`}
  </section>`;
}

/** The definition, as a PUT accepts it.
 * @param {{object: any}} props */
function Definition({ object: o }) {
  const { etag, members, id, _type, weightsBy, overrides, ...rest } = o;
  const shown = o.type === "static" ? { ...rest, members: members?.map((/** @type {any} */ m) => ({ host: m.host, port: m.port })) } : rest;
  return html`<details class="panel"><summary>Definition as JSON</summary>
    <pre tabindex="0" aria-label="Definition">${JSON.stringify(shown, null, 2)}</pre></details>`;
}
