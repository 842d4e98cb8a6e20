// Other clusters: all at a glance, and the pages of one of them.

import { useMemo } from "preact/hooks";
import { Addresses, Failures, Matrix } from "./cluster.js";
import { NodeLink, NodePage, ResourceLink, ResourcePage } from "./clusterdetail.js";
import { JobsPage } from "./clusterjobs.js";
import { words } from "./clusterobjects.js";
import { chosenView, ViewTabs, WholeText } from "./clusterviews.js";
import { baseOf, kindOf, light } from "./clusterwords.js";
import * as format from "./format.js";
import { More } from "./fields.js";
import { classes, html } from "./html.js";
import { list, now, object } from "./live.js";
import { useLoaded } from "./loaded.js";
import { LossPanel } from "./losses.js";
import { Notice } from "./notices.js";
import { Badge, Empty, Loading, Problem, sentence, Title } from "./parts.js";
import { HistoryPage } from "./past.js";
import { Crumbs, Place } from "./place.js";
import { get } from "./rest.js";
import { route } from "./router.js";

/** @typedef {import("./types.js").OtherCluster} OtherCluster */

/** How a cluster is named in the settings. */
const example = `clusters:
  - name: paris
    addresses: ["https://192.0.2.7:10000", "https://192.0.2.8:10000"]
    tokenFile: /etc/thalassa/paris-token
    fingerprints: # of their certificates, or caFile with the CA that signs them
      - 7c66530f0d4b9a525b5c7e5a190b6df2d98a5c0e471c1b647752239ab50c41d8`;

/** How many reasons and failures a card shows. */
const shown = 3;

export function ClustersPage() {
  const ids = list("clusters").value;
  /** @type {OtherCluster[]} */
  const all = [...(ids ?? [])].sort((a, b) => a.localeCompare(b, "en", { numeric: true })).map((id) => object(id).value).filter(Boolean);
  const states = [...new Set(all.map((c) => c.state))].sort();
  return html`<div class="head"><${Title}>Clusters</${Title}>
      <span class="lights" role="status">${states.map((s) => html`<${Badge} key=${s} kind=${kindOf(s)}>${all.filter((c) => c.state === s).length} ${light(s)}</${Badge}> `)}</span></div>
    ${!ids && html`<${Loading} lines=${6} />`}
    ${ids && all.length === 0 && html`<${Empty} title="No other clusters">The setting <code>clusters</code> of the agent names those to show.</${Empty}>`}
    <div class="cards">${all.map((c) => html`<${Card} key=${c.name} cluster=${c} />`)}</div>
    ${ids && html`<${More} title="Add or remove a cluster"><p>The settings of this agent name the clusters, for all who use it. Add one to its settings file, or take one out:</p>
      <pre class="config" tabindex="0" role="group" aria-label="Example of the settings">${example}</pre>
      <p>The token is made on a node of that cluster: <code>thalassa token new console --role read</code> prints it. Store it here in the <code>tokenFile</code>, with the group thalassa and the mode 0640. Copy the access file of that node to the other nodes of that cluster: each of them may be asked. <code>GET /tls</code> of a node shows its fingerprints; without <code>fingerprints</code> and <code>caFile</code>, the CAs of the system count.</p>
      <p>Then let the agent read the settings again: <code>systemctl reload thalassa</code>. All settings of a cluster are in the documentation, on the page Several clusters (docs/clusters.md).</p></${More}>`}`;
}

/** @param {{cluster: OtherCluster}} props */
function Card({ cluster: c }) {
  const kind = kindOf(c.state);
  const isKnown = Boolean(c.seen);
  return html`<article class=${classes("card", kind && `lit-${kind}`)} aria-label=${`Cluster ${c.name}`}>
    <header><h2><a href=${baseOf(c.name)}>${c.name}</a></h2><${Badge} kind=${kind}>${light(c.state)}</${Badge}></header>
    ${isKnown && html`<p class="sub">${c.clusterName || "no name"}, Pacemaker ${c.version || format.unknown}, DC ${c.dc || "none"}, ${c.quorum ? "quorum" : "no quorum"}${c.fencing ? "" : ", no fencing"}</p>
      <dl class="tally"><${Count} name="nodes online" value=${`${c.nodesOnline} / ${c.nodes}`} bad=${c.nodesOnline < c.nodes} />
        <${Count} name="resources run" value=${`${c.resourcesRunning} / ${c.resources}`} bad=${c.resourcesFailed > 0} />
        <${Count} name="failures" value=${String(c.failureCount)} bad=${c.failureCount > 0} /></dl>`}
    <ul class="why">${c.reasons.slice(0, shown).map((r) => html`<li key=${r}>${sentence(r)}</li>`)}
      ${c.failures.slice(0, shown).map((f) => html`<li key=${f.node + f.resource + f.operation + f.call}>${failureWords(f)}</li>`)}
      ${c.reasons.length + c.failureCount > 2 * shown && html`<li class="muted"><a href=${baseOf(c.name)}>More…</a></li>`}</ul>
    <footer><${Reported} cluster=${c} /></footer>
  </article>`;
}

/** @param {{name: string, value: string, bad: boolean}} props */
function Count({ name, value, bad }) {
  return html`<div class=${classes(bad && "bad")}><dt>${name}</dt><dd>${value}</dd></div>`;
}

/** A failed operation in one line.
 * @param {import("./types.js").ClusterFailure} f */
function failureWords(f) {
  return `${f.resource} ${f.operation} failed on ${f.node}: ${f.meaning || `code ${f.code}`}${f.reason ? `: ${f.reason}` : ""}.`;
}

/** Who has reported the state, when, and which agents do not answer.
 * @param {{cluster: OtherCluster}} props */
function Reported({ cluster: c }) {
  const silent = c.agents.filter((a) => a.problem);
  const age = c.seen ? format.age(Date.parse(c.seen), now.value) : "";
  return html`<p class="sub">${c.seen ? html`Reported by ${c.node || "a node"} at <code>${host(c.address)}</code>, ${age}.` : c.state === "unknown" ? "No agent has answered yet." : "No agent has ever answered."}</p>
    ${silent.map((a) => html`<p key=${a.address} class="sub silent"><b>${host(a.address)}</b>: ${sentence(a.problem ?? "")}</p>`)}`;
}

/** @param {string} address */
function host(address) {
  return address.replace(/^https:\/\//, "");
}

/** A page of another cluster: its state, configuration, history or jobs, or one of its resources or nodes.
 * @param {{name: string, part?: "resource"|"node"|"history"|"config"|"jobs", id?: string}} props */
export function OtherPage({ name, part, id }) {
  /** @type {OtherCluster|undefined} */
  const c = object("cluster/" + name).value;
  const known = list("clusters").value;
  const base = baseOf(name);
  const found = useLoaded(c ? `${base} ${c.epoch} ${c.state} ${c.node} ${c.reasons.join()}` : null, (signal) => get(base, signal));
  /** @type {import("./types.js").Cluster|undefined} */
  const v = found.data?.cluster;
  const place = useMemo(() => ({ base, name, cluster: v }), [base, v]);
  if (!c) {
    return html`<nav class="crumbs" aria-label="Breadcrumb"><a href="/clusters">Clusters</a></nav><div class="head"><${Title}>${name}</${Title}></div>
      ${known ? html`<${Empty} title=${`No cluster ${name}`}>The agent's setting <code>clusters</code> does not name it, or you may not see it. <a href="/clusters">Go to the clusters</a></${Empty}>` : html`<${Loading} lines=${6} />`}`;
  }
  return html`<${Place.Provider} value=${place}><${Band} cluster=${c} own=${ownPath(part, id) + ownQuery()} />
    <${Problem} error=${found.error} onRetry=${found.again} />
    ${!v ? html`<${Unseen} cluster=${c} isLoading=${!found.data && !found.error} />`
      : part === "resource" ? html`<${ResourcePage} key=${id} id=${id} />` : part === "node" ? html`<${NodePage} key=${id} name=${id} />`
        : part === "history" ? html`<${HistoryPage} />` : part === "jobs" ? html`<${JobsPage} />` : part === "config" ? html`<${Configuration} cluster=${c} />` : html`<${State} cluster=${c} state=${v} />`}</${Place.Provider}>`;
}

/** In place of what is not known.
 * @param {{cluster: OtherCluster, isLoading: boolean}} props */
function Unseen({ cluster: c, isLoading }) {
  return html`<nav class="crumbs" aria-label="Breadcrumb"><a href="/clusters">Clusters</a></nav><div class="head"><${Title}>${c.name}</${Title}><${Badge} kind=${kindOf(c.state)}>${light(c.state)}</${Badge}></div>
    ${isLoading ? html`<${Loading} lines=${6} />` : html`<${Empty} title="Nothing is known of this cluster yet" />`}`;
}

/** Where an agent of the cluster itself has a page of this one.
 * @param {string} [part]
 * @param {string} [id] */
function ownPath(part, id) {
  if (part === "resource" || part === "node") return `/cluster/${part}s/${encodeURIComponent(id ?? "")}`;
  return part === "history" ? "/history" : part === "config" || part === "jobs" ? `/cluster/${part}` : "/cluster";
}

/** What an address of this page says that is the same in the console of the cluster itself: what is chosen
 * and filtered, but no import and no draft. */
const sameThere = ["all", "at", "author", "id", "job", "node", "resource", "state", "tab", "tag", "view"];

/** The query of the address there. */
function ownQuery() {
  const q = new URLSearchParams([...route.value.query].filter(([name]) => sameThere.includes(name))).toString();
  return q && `?${q}`;
}

/** Says whose state the page shows, and where it can be changed.
 * @param {{cluster: OtherCluster, own: string}} props */
function Band({ cluster: c, own }) {
  const away = c.state === "unreachable";
  return html`<section class=${classes("strip past", away && "away")} aria-label="Another cluster" role="note">
    <div><b>This is the cluster ${c.name}, read-only.</b>${away && html` <b>None of its agents answers: everything here is what was seen last.</b>`}<${Reported} cluster=${c} /></div>
    <span class="grow"></span>${c.address && html`<a class="button" href=${c.address + own} target="_blank" rel="noreferrer">Open the console of this cluster</a>`}</section>`;
}

/** @param {{cluster: OtherCluster, state: import("./types.js").Cluster}} props */
function State({ cluster: c, state: v }) {
  return html`<nav class="crumbs" aria-label="Breadcrumb"><a href="/clusters">Clusters</a></nav>
    <div class="head"><${Title}>${c.name}</${Title}><${Badge} kind=${kindOf(c.state)}>${light(c.state)}</${Badge}>
      <span class="muted">${v.name || "no name"}, Pacemaker ${v.version}, DC ${v.dc || "none"}, ${v.quorum ? "quorum" : "no quorum"}, seen by ${v.node}</span>
      <span class="grow"></span><a class="button" href=${baseOf(c.name) + "/config"}>Configuration</a> <a class="button" href=${baseOf(c.name) + "/history"}>History</a> <a class="button" href=${baseOf(c.name) + "/jobs"}>Jobs</a></div>
    <div class="notices">${v.reasons.map((r) => html`<${Notice} key=${r} kind=${kindOf(c.state) === "bad" ? "bad" : "fair"} title=${sentence(r)} />`)}</div>
    <${Addresses} cluster=${v} /><${Matrix} cluster=${v} />
    ${c.state !== "unreachable" && html`<${LossPanel} epoch=${v.epoch.split(":").slice(0, 2).join(":") + v.nodes.map((n) => n.state).join()} nodes=${[]} />`}
    ${v.failures.length > 0 && html`<${Failures} cluster=${v} />`}`;
}

/** The objects of its configuration.
 * @param {{cluster: OtherCluster}} props */
function Configuration({ cluster: c }) {
  const path = baseOf(c.name) + "/config";
  const { data, error, again } = useLoaded(`${path} ${c.epoch.split(":").slice(0, 2).join(":")}`, (signal) => get(path, signal));
  const view = chosenView();
  const kinds = Object.entries(/** @type {Record<string, Record<string, any>[]>} */ (data ?? {})).filter(([, docs]) => Array.isArray(docs) && docs.length > 0);
  return html`<${Crumbs} /><div class="head"><${Title}>Configuration</${Title}></div>
    <div class="toolbar"><${ViewTabs} chosen=${view} only=${["table", "text", "xml"]} /></div>
    <${Problem} error=${error} onRetry=${again} />
    ${!data && !error && html`<${Loading} lines=${6} />`}
    ${view === "text" || view === "xml" ? html`<${WholeText} key=${view} view=${view} path=${`${path}.${view === "text" ? "crm" : "xml"}`} version=${c.epoch.split(":").slice(0, 2).join(":")} />` : kinds.map(([kind, docs]) => html`<section key=${kind} class="panel" aria-label=${kind}><h2>${kind} <span class="count">${docs.length}</span></h2>
      <div class="scroll" tabindex="0" role="region" aria-label=${`Table of ${kind}`}><table>
        <thead><tr><th scope="col">ID</th><th scope="col">Is</th></tr></thead>
        <tbody>${docs.map((o) => html`<tr key=${o.id}><th scope="row">${["primitives", "groups", "clones", "bundles"].includes(kind) ? html`<${ResourceLink} id=${o.id} />` : kind === "nodes" && o.uname ? html`<${NodeLink} name=${o.uname} />` : o.id}</th><td>${words(kind, o)}</td></tr>`)}</tbody></table></div></section>`)}`;
}
