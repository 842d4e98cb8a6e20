// One resource or node of the cluster with everything about it.

import { useState } from "preact/hooks";
import { ActionDialog } from "./clusteraction.js";
import { actionOf, constraintWords, kindOf, nodePath, resourcePath, weight } from "./clusterwords.js";
import * as format from "./format.js";
import { html } from "./html.js";
import { list, now } from "./live.js";
import { useLoaded } from "./loaded.js";
import { Badge, Button, Empty, Loading, Problem, sentence, Title } from "./parts.js";
import { historyPath } from "./pastplace.js";
import { Crumbs, useCluster, usePlace } from "./place.js";
import { get } from "./rest.js";
import { pathOf } from "./router.js";
import { refusal } from "./session.js";

/** @typedef {import("./types.js").ClusterDetail} ClusterDetail
 *  @typedef {import("./types.js").ResourceDetail} ResourceDetail
 *  @typedef {import("./types.js").NodeDetail} NodeDetail
 *  @typedef {import("./clusterwords.js").Action} Action */

/** Loads a detail again whenever the cluster has changed.
 * @param {string} path */
function useDetail(path) {
  const cluster = useCluster();
  const found = useLoaded(cluster ? `${path} ${cluster.epoch} ${cluster.state}` : null, (signal) => get(path, signal));
  return { cluster, ...found };
}

/** What stands in place of a detail until there is one.
 * @param {{title: string, what: string, found: {cluster: any, data: any, error: any, again: () => void}}} props */
function Missing({ title, what, found: f }) {
  const { base } = usePlace();
  return html`<div class="head"><${Title}>${title}</${Title}></div>
    ${!f.cluster ? html`<${Empty} title="This node is not in a cluster" />`
      : f.error?.status === 404 ? html`<${Empty} title=${`No ${what} ${title}`}>It was removed, or never existed. <a href=${base}>Go to the cluster</a></${Empty}>`
        : html`<${Problem} error=${f.error} onRetry=${f.again} />${!f.error && html`<${Loading} lines=${6} />`}`}`;
}

/** @param {{id: string}} props */
export function ResourcePage({ id }) {
  const place = usePlace();
  const found = useDetail(resourcePath(id, place.base));
  /** @type {ResourceDetail|null} */
  const d = found.error ? null : found.data;
  const crumbs = html`<${Crumbs} of="Resources" />`;
  if (!found.cluster || !d) return html`${crumbs}<${Missing} title=${id} what="resource" found=${found} />`;
  const states = [...new Set(d.resources.map((r) => r.state))];
  const nodes = found.cluster.nodes.map((n) => n.name);
  return html`${crumbs}
    <div class="head"><div><${Title}>${id}</${Title}><p class="sub"><${What} detail=${d} /></p></div>
      ${states.map((s) => html`<${Badge} key=${s} kind=${kindOf(s)}>${s}</${Badge}>`)}
      <span class="grow"></span><a class="button" href=${historyPath(place.base, { resource: id })}>History</a> ${!place.name && (refusal("admin") ? html`<${Button} role="admin">Edit</${Button}>` : html`<a class="button" href=${`/cluster/config?kind=${d.kind}&edit=${encodeURIComponent(id)}`}>Edit</a>`)}</div>
    <${Actions} detail=${d} on=${{ resource: id }} nodes=${nodes} />
    <${Places} detail=${d} />
    <${HAProxyPages} detail=${d} />
    <${Counts} detail=${d} which="node" />
    <${Constraints} detail=${d} />
    <${Operations} detail=${d} />
    <${Configuration} detail=${d} />`;
}

/** @param {{detail: ResourceDetail}} props */
function What({ detail: d }) {
  const agent = d.object.agent ?? (d.object.template ? `template ${d.object.template}` : "");
  return html`${{ primitives: "Primitive", groups: "Group", clones: "Clone", bundles: "Bundle" }[d.kind] ?? d.kind}${agent && html` of <code>${agent}</code>`}${d.containers.length > 0 && html`, in ${d.containers.map((c, n) => html`${n > 0 && ", "}<${ResourceLink} id=${c} />`)}`}`;
}

/** @param {{id: string}} props */
export function ResourceLink({ id }) {
  return html`<a href=${resourcePath(id, usePlace().base)}>${id}</a>`;
}

/** @param {{name: string}} props */
export function NodeLink({ name }) {
  return html`<a href=${nodePath(name, usePlace().base)}>${name}</a>`;
}

/** The actions that make sense now. Another cluster offers none.
 * @param {{detail: ClusterDetail, on: {node?: string, resource?: string}, nodes: string[]}} props */
function Actions({ detail, on, nodes }) {
  const [action, setAction] = useState(/** @type {Action|null} */ (null));
  if (usePlace().name) return null;
  return html`<div class="button-line actions" role="group" aria-label="Actions">${detail.actions.map((kind) => {
    const a = actionOf(kind, on);
    return html`<${Button} key=${kind} role="operate" kind=${a.danger ? "danger" : ""} onClick=${() => setAction(a)}>${a.label}…</${Button}>`;
  })}</div>
  ${action && html`<${ActionDialog} key=${action.kind} action=${action} nodes=${nodes} onClose=${() => setAction(null)} />`}`;
}

/** @param {{detail: ResourceDetail}} props */
function Places({ detail: d }) {
  /** @type {{r: import("./types.js").ClusterResource, p?: {node: string, state: string, role?: string}}[]} */
  const rows = d.resources.flatMap((r) => (r.places.length > 0 ? r.places.map((p) => /** @type {{r: any, p?: any}} */ ({ r, p })) : [{ r }]));
  return html`<section class="panel" aria-label="Where it runs"><h2>Where it runs</h2>
    ${d.resources.flatMap((r) => r.why ?? []).map((w) => html`<p key=${w}>${sentence(w)}</p>`)}
    <div class="scroll" tabindex="0" role="region" aria-label="Table of instances"><table>
      <thead><tr><th scope="col">Resource</th><th scope="col">Node</th><th scope="col">State</th><th scope="col">Role</th></tr></thead>
      <tbody>${rows.map(({ r, p }) => html`<tr key=${r.id + (p?.node ?? "")}><td>${r.id === d.id ? r.id : html`<${ResourceLink} id=${r.id} />`}</td>
        <td>${p ? html`<${NodeLink} name=${p.node} />` : "nowhere"}</td><td><${Badge} kind=${kindOf(p?.state ?? r.state)}>${p?.state ?? r.state}</${Badge}></td><td>${p?.role ?? ""}</td></tr>`)}</tbody></table></div>
    ${d.resources.some((r) => r.utilization) && html`<p class="muted">${d.resources.filter((r) => r.utilization).map((r) => `${r.id} needs ${pairs(r.utilization)}`).join("; ")}.</p>`}
  </section>`;
}

/** @param {Record<string, string>|undefined} values */
function pairs(values) {
  return Object.entries(values ?? {}).map(([k, v]) => `${k} ${v}`).join(", ");
}

/** Where the load balancer of this node is shown, for its own resource.
 * @param {{detail: ResourceDetail}} props */
function HAProxyPages({ detail: d }) {
  const frontends = list("frontends").value ?? [];
  const backends = list("backends").value ?? [];
  if (usePlace().name || !d.resources.some((r) => r.agent === "ocf:thalassa:haproxy")) return null;
  return html`<section class="panel" aria-label="HAProxy"><h2>HAProxy</h2>
    <p>This is the HAProxy that Thalassa configures. <a href="/overview">Overview</a></p>
    <ul class="links">${[...frontends, ...backends].map((id) => html`<li key=${id}><a href=${pathOf(id)}>${id}</a></li>`)}</ul>
    ${frontends.length + backends.length === 0 && html`<p class="muted">It has no frontend and no backend yet.</p>`}</section>`;
}

/** Failures, fail counts and bans.
 * @param {{detail: ClusterDetail, which: "node"|"resource"}} props which: what they are about beside the page's object */
function Counts({ detail: d, which }) {
  if (d.failCounts.length + d.failures.length + d.bans.length === 0) return null;
  const link = (/** @type {{node: string, resource: string}} */ x) => which === "node" ? html`<${NodeLink} name=${x.node} />` : html`<${ResourceLink} id=${x.resource} />`;
  const many = (/** @type {number} */ n) => (n >= 1_000_000 ? "INFINITY" : n || "none");
  return html`<section class="panel" aria-label="Failures"><h2>Failures</h2>
    ${d.failures.map((f) => html`<p key=${f.node + f.resource + f.operation + f.call}><${Badge} kind="bad">${f.operation}</${Badge}> ${f.resource} on <${NodeLink} name=${f.node} />: ${f.meaning} (${f.code})${f.reason && `, ${f.reason}`}${Date.parse(f.time) > 0 && html` <span class="muted">${format.clock(f.time, now.peek())}</span>`}</p>`)}
    ${d.failCounts.length > 0 && html`<div class="scroll" tabindex="0" role="region" aria-label="Table of fail counts"><table>
      <thead><tr><th scope="col">${which === "node" ? "Node" : "Resource"}</th><th scope="col">Fail count</th><th scope="col">Moves away from</th></tr></thead>
      <tbody>${d.failCounts.map((f) => html`<tr key=${f.node + f.resource}><td>${link(f)}</td><td>${many(f.count)}</td><td>${many(f.threshold)}</td></tr>`)}</tbody></table></div>`}
    ${d.bans.length > 0 && html`<ul class="links">${d.bans.map((b) => html`<li key=${b.id}><${ResourceLink} id=${b.resource} /> is kept off <${NodeLink} name=${b.node} />${b.promotedOnly && " when promoted"}: ${b.score} <span class="muted">${b.id}</span></li>`)}</ul>`}
  </section>`;
}

/** @param {{detail: ClusterDetail}} props */
function Constraints({ detail: d }) {
  return html`<section class="panel" aria-label="Constraints"><h2>Constraints</h2>
    ${d.constraints.length === 0 ? html`<p class="muted">None.</p>` : html`<div class="scroll" tabindex="0" role="region" aria-label="Table of constraints"><table>
      <thead><tr><th scope="col">ID</th><th scope="col">Constraint</th><th scope="col">Score</th><th scope="col">Through</th></tr></thead>
      <tbody>${d.constraints.map((c) => html`<tr key=${c.object.id}><th scope="row">${c.object.id}</th><td>${constraintWords(c.kind, c.object)}</td><td>${weight(c.kind, c.object)}</td><td>${c.through ?? ""}</td></tr>`)}</tbody></table></div>`}
  </section>`;
}

/** @param {{detail: ClusterDetail}} props */
function Operations({ detail: d }) {
  return html`<section class="panel" aria-label="Operations"><h2>Operations</h2>
    ${d.operations.length === 0 ? html`<p class="muted">The cluster remembers none.</p>` : html`<p class="muted">The last of each kind that the cluster remembers. The history has more.</p>
    <div class="scroll" tabindex="0" role="region" aria-label="Table of operations"><table>
      <thead><tr><th scope="col">Time</th><th scope="col">Node</th><th scope="col">Resource</th><th scope="col">Operation</th><th scope="col">Result</th><th scope="col">Took</th><th scope="col">Queued</th><th scope="col">Reason</th></tr></thead>
      <tbody>${d.operations.map((o, n) => html`<tr key=${n}><td>${Date.parse(o.time) > 0 ? format.clock(o.time, now.peek()) : format.unknown}</td><td>${o.node}</td><td>${o.resource}</td>
        <td>${o.operation}${o.intervalMs ? ` every ${format.duration(o.intervalMs)}` : o.operation === "monitor" ? " (probe)" : ""}</td>
        <td>${o.failed ? html`<${Badge} kind="bad">${o.meaning}</${Badge}>` : o.meaning} <span class="muted">${o.code}</span></td>
        <td>${format.duration(o.durationMs)}</td><td>${format.duration(o.queuedMs)}</td><td>${o.reason ?? ""}</td></tr>`)}</tbody></table></div>`}
  </section>`;
}

/** The values of an object's fields.
 * @param {{detail: ResourceDetail}} props */
function Configuration({ detail: d }) {
  const o = d.object;
  const sets = /** @type {[string, Record<string, string>][]} */ ([["Parameters", o.params], ["Meta attributes", o.meta], ["Utilization", o.utilization]].filter(([, v]) => v && Object.keys(v).length > 0));
  const inherited = Object.entries(d.meta).filter(([k]) => !(o.meta ?? {})[k]);
  const members = [...(o.members ?? []), ...(o.member ? [o.member] : [])];
  return html`<section class="panel" aria-label="Configuration"><h2>Configuration</h2>
    ${o.description && html`<p>${o.description}</p>`}
    ${members.length > 0 && html`<p>Has ${members.map((/** @type {string} */ m, /** @type {number} */ n) => html`${n > 0 && ", "}<${ResourceLink} id=${m} />`)}.</p>`}
    ${d.tags.length > 0 && html`<p>Tags: ${d.tags.join(", ")}.</p>`}
    ${sets.map(([title, values]) => html`<${Values} key=${title} title=${title} values=${values} />`)}
    ${inherited.length > 0 && html`<${Values} title="Inherited meta attributes" values=${Object.fromEntries(inherited)} />`}
    ${(o.ops ?? []).length > 0 && html`<h3>Operations</h3><ul class="links">${o.ops.map((/** @type {any} */ op) => html`<li key=${op.id}><b>${op.name}</b> ${Object.entries(op).filter(([k, v]) => !["id", "name"].includes(k) && typeof v === "string").map(([k, v]) => `${k} ${v}`).join(", ")}</li>`)}</ul>`}
    ${(o.extra ?? []).length > 0 && html`<h3>As XML</h3><pre tabindex="0" aria-label="More of the configuration as XML">${o.extra.join("\n")}</pre>`}
  </section>`;
}

/** @param {{title: string, values: Record<string, string>}} props */
function Values({ title, values }) {
  return html`<h3>${title}</h3><div class="scroll" tabindex="0" role="region" aria-label=${title}><table><thead><tr><th scope="col">Name</th><th scope="col">Value</th></tr></thead>
    <tbody>${Object.entries(values).sort(([a], [b]) => (a < b ? -1 : 1)).map(([k, v]) => html`<tr key=${k}><th scope="row">${k}</th><td><code>${v}</code></td></tr>`)}</tbody></table></div>`;
}

/** @param {{name: string}} props */
export function NodePage({ name }) {
  const place = usePlace();
  const found = useDetail(nodePath(name, place.base));
  /** @type {NodeDetail|null} */
  const d = found.error ? null : found.data;
  const crumbs = html`<${Crumbs} of="Nodes" />`;
  if (!found.cluster || !d) return html`${crumbs}<${Missing} title=${name} what="node" found=${found} />`;
  const n = d.node;
  const permanent = d.object?.attributes ?? {};
  const capacity = n.utilization ?? d.object?.utilization ?? {};
  return html`${crumbs}
    <div class="head"><div><${Title}>${name}</${Title}><p class="sub">${n.type === "guest" ? html`Guest of <${ResourceLink} id=${n.host ?? ""} />` : n.type === "remote" ? "Remote node" : "Member"}</p></div>
      <${Badge} kind=${kindOf(n.state)}>${n.state}</${Badge}>${n.dc && html` <${Badge} title="Designated controller">DC</${Badge}>`}<span class="grow"></span><a class="button" href=${historyPath(place.base, { node: name })}>History</a></div>
    <${Actions} detail=${d} on=${{ node: name }} nodes=${[]} />
    <section class="panel" aria-label="What runs there"><h2>What runs there</h2>
      ${n.resources.length === 0 ? html`<p class="muted">Nothing.</p>` : html`<ul class="links">${n.resources.map((r) => html`<li key=${r}><${ResourceLink} id=${r.split(":")[0]} /></li>`)}</ul>`}</section>
    <${Counts} detail=${d} which="resource" />
    <section class="panel" aria-label="Attributes"><h2>Attributes</h2>
      ${Object.keys(permanent).length > 0 && html`<${Values} title="Permanent" values=${permanent} />`}
      ${Object.keys(n.attributes ?? {}).length > 0 && html`<${Values} title="Until the node restarts" values=${n.attributes} />`}
      ${Object.keys(capacity).length > 0 && html`<${Values} title="Utilization: its capacity" values=${capacity} />`}
      ${Object.keys(permanent).length + Object.keys(n.attributes ?? {}).length + Object.keys(capacity).length === 0 && html`<p class="muted">None.</p>`}</section>
    <${Constraints} detail=${d} />
    ${d.fencing.length > 0 && html`<section class="panel" aria-label="Fencing"><h2>Fencing</h2><ul class="links">${d.fencing.map((f, i) => html`<li key=${i}><${Badge} kind=${f.status === "success" ? "" : "bad"}>${f.status}</${Badge}> ${f.action}${f.device && ` by ${f.device}`}${f.reason && `: ${f.reason}`} <span class="muted">${Date.parse(f.time) > 0 ? format.clock(f.time, now.peek()) : ""}</span></li>`)}</ul></section>`}
    <${Operations} detail=${d} />`;
}
