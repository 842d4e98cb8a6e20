// The cluster page: the nodes and resources of the Pacemaker cluster, and actions on them.

import { useMemo, useRef, useState } from "preact/hooks";
import { CellMenu, useCells } from "./cellmenu.js";
import { ActionDialog } from "./clusteraction.js";
import { NodeLink, ResourceLink } from "./clusterdetail.js";
import { JoinDialog, JoinPanel } from "./clusterjoin.js";
import { MembersPanel } from "./clustermembers.js";
import { actionOf, kindOf } from "./clusterwords.js";
import * as format from "./format.js";
import { classes, html } from "./html.js";
import { list, now, object } from "./live.js";
import { LossPanel } from "./losses.js";
import { Notice } from "./notices.js";
import { Badge, Button, Empty, Loading, sentence, Title } from "./parts.js";
import { refusal, seesNode } from "./session.js";

/** @typedef {import("./types.js").Cluster} Cluster
 *  @typedef {import("./types.js").ClusterMembership} ClusterMembership
 *  @typedef {import("./types.js").ClusterNode} ClusterNode
 *  @typedef {import("./types.js").ClusterResource} ClusterResource
 *  @typedef {import("./clusterwords.js").Action} Action */

/** The page. A join is kept here: while it lasts, the cluster comes, and the page below becomes another one. */
export function ClusterPage() {
  const [joins, setJoins] = useState(false);
  const [joined, setJoined] = useState(/** @type {ClusterMembership|null} */ (null));
  const panel = (/** @type {boolean} */ offers) => seesNode() && (offers || joined) && html`<${JoinPanel} joined=${joined} onJoin=${offers ? () => { setJoined(null); setJoins(true); } : undefined} onClose=${() => setJoined(null)} />`;
  return html`<${Shown} panel=${panel} />
    ${joins && html`<${JoinDialog} onJoined=${(/** @type {ClusterMembership} */ m) => { setJoined(m); setJoins(false); }} onClose=${() => setJoins(false)} />`}`;
}

/** The cluster, or why there is none.
 * @param {{panel: (offers: boolean) => any}} props panel: draws what became of a join, and offers one if it should */
function Shown({ panel }) {
  /** @type {Cluster|undefined} */
  const c = object("cluster").value;
  const known = list("cluster").value;
  const [action, setAction] = useState(/** @type {Action|null} */ (null));
  if (!c) {
    return html`<div class="head"><${Title}>Cluster</${Title}></div>
      ${known ? html`<${Empty} title="This node is not in a cluster">Pacemaker does not run here, or the agent's setting <code>cluster</code> is <code>off</code>.</${Empty}>${panel(true)}` : html`<${Loading} />`}`;
  }
  const dialog = action && html`<${ActionDialog} key=${action.kind + action.node + action.resource} action=${action} nodes=${c.nodes.map((n) => n.name)} onClose=${() => setAction(null)} />`;
  const start = c.state === "offline" && html`<${Button} role="operate" label="Start the cluster" onClick=${() => setAction(actionOf("startup", {}))}>Start the cluster…</${Button}>`;
  if (c.nodes.length === 0) {
    return html`<div class="head"><${Title}>Cluster</${Title}><span class="grow"></span><a class="button" href="/cluster/jobs">Jobs</a>${start}</div>
      <${Empty} title=${c.shutDown ? "The cluster is shut down" : "Pacemaker does not answer on this node"}>${c.reasons.map(sentence).join(" ")}</${Empty}>${panel(!c.shutDown)}${dialog}`;
  }
  return html`
    <div class="head"><${Title}>${c.name || "Cluster"}</${Title}><${Badge} kind=${c.shutDown ? "fair" : kindOf(c.state)}>${c.shutDown ? "shut down" : c.state}</${Badge}>
      <span class="muted">Pacemaker ${c.version}, DC ${c.dc || "none"}, ${c.quorum ? "quorum" : "no quorum"}, this node: ${c.node} (${c.role})</span>
      <span class="grow"></span>
      <a class="button" href="/cluster/config">Configuration</a>
      <a class="button" href="/history">History</a>
      <a class="button" href="/cluster/jobs">Jobs</a>
      <a class="button" href="/simulator">Simulator</a>
      ${start || html`<${Button} role="operate" label="Shut down the cluster" onClick=${() => setAction(actionOf("shutdown", {}))}>Shut down…</${Button}>`}
      ${c.maintenance
        ? html`<${Button} role="operate" onClick=${() => setAction({ kind: "ready", title: "End maintenance?", label: "End maintenance", done: "Maintenance ended." })}>End maintenance…</${Button}>`
        : html`<${Button} role="operate" onClick=${() => setAction({ kind: "maintenance", title: "Start maintenance of the cluster?", label: "Start maintenance", done: "The cluster is in maintenance. Pacemaker starts, stops and moves nothing." })}>Maintenance…</${Button}>`}
    </div>
    <div class="notices">${c.reasons.map((r) => html`<${Notice} key=${r} kind=${kindOf(c.state) === "bad" && !c.shutDown ? "bad" : "fair"} title=${sentence(r)} />`)}</div>
    ${panel(c.state === "offline" && !c.shutDown)}
    <${Addresses} cluster=${c} />
    <${Matrix} cluster=${c} onAction=${setAction} />
    ${seesNode() && html`<${LossPanel} epoch=${c.epoch.split(":").slice(0, 2).join(":") + c.nodes.map((n) => n.state).join()} nodes=${c.nodes.filter((n) => n.state === "online" && (n.type ?? "member") === "member").map((n) => n.name)} />`}
    ${c.failures.length > 0 && html`<${Failures} cluster=${c} onAction=${setAction} />`}
    ${seesNode() && html`<${MembersPanel} cluster=${c} onAction=${setAction} />`}
    ${dialog}`;
}

/** @param {{cluster: Cluster}} props */
export function Addresses({ cluster: c }) {
  return html`<section class="panel" aria-label="Floating IPs"><h2>Floating IPs</h2>
    <ul class="links">${c.floatingIPs.map((ip) => html`<li key=${ip.resource}><code>${ip.address}</code> ${ip.nodes.length === 1 || (ip.shared && ip.node)
      ? html`on <b>${ip.nodes.join(", ")}</b>` : html`<${Badge} kind="bad">${ip.nodes.length ? `on ${ip.nodes.join(" and ")}` : "on no node"}</${Badge}>`}</li>`)}</ul>
    ${c.floatingIPs.length === 0 && html`<p class="muted">No floating IP. <code>thalassa cluster apply</code> creates one.</p>`}
  </section>`;
}

/** From how many cells on a table is drawn in another way: its rows are no parts of one layout, and those
 * that cannot be seen are not drawn. Its columns are equally wide. */
const manyCells = 2000;

/** How many rows are compared at once. */
const rowsAtOnce = 25;

/** @param {{cluster: Cluster, onAction?: (a: Action) => void}} props without onAction: nothing can be done */
export function Matrix({ cluster: c, onAction }) {
  const nodes = c.nodes.map((n) => n.name).join(" ");
  const table = useRef(/** @type {HTMLTableElement|null} */ (null));
  const [chosen, setChosen] = useState(/** @type {import("./cellmenu.js").Cell|null} */ (null));
  const acts = onAction && !refusal("operate");
  const open = (/** @type {HTMLTableCellElement} */ cell) => {
    const r = c.resources[/** @type {HTMLTableRowElement} */ (cell.parentElement).sectionRowIndex];
    const node = c.nodes[cell.cellIndex - 1]?.name;
    if (r && node) setChosen({ resource: r.id, node, runs: r.places.some((p) => p.node === node), cell });
  };
  const keys = useCells(table, acts ? open : undefined);
  const large = c.nodes.length * c.resources.length > manyCells;
  const role = acts ? "grid" : large ? "table" : undefined;
  /** @type {ClusterResource[][]} */
  const parts = [];
  for (let i = 0; i < c.resources.length; i += rowsAtOnce) parts.push(c.resources.slice(i, i + rowsAtOnce));
  return html`<section class="panel" aria-label="Nodes and resources"><h2>Nodes and resources</h2>
    ${acts && html`<p class="muted" id="of-cells">Each cell has a menu of actions: click it, or go there with the arrow keys and press Enter.</p>`}
    <div class="scroll" tabindex="0" role="region" aria-label="Table of nodes and resources"><table ref=${table} class=${classes("matrix", acts && "cells", large && "large")} role=${role} style=${large ? `--nodes: ${c.nodes.length}` : undefined} aria-describedby=${acts ? "of-cells" : undefined} ...${keys}>
      <thead role=${large ? "rowgroup" : undefined}><tr role=${large ? "row" : undefined}><th scope="col" role=${large ? "columnheader" : undefined}>Resource</th>
        ${c.nodes.map((n) => html`<th key=${n.name} scope="col" role=${large ? "columnheader" : undefined}><${NodeHead} cluster=${c} node=${n} onAction=${onAction} /></th>`)}</tr></thead>
      <tbody role=${large ? "rowgroup" : undefined}>${parts.map((part, i) => html`<${Rows} key=${i} resources=${part} nodes=${nodes} role=${large ? role : undefined} />`)}</tbody>
    </table></div>
    ${chosen && onAction && html`<${CellMenu} key=${chosen.resource + " " + chosen.node} on=${chosen} onAction=${onAction} onClose=${() => setChosen(null)} />`}
  </section>`;
}

/** The texts of nodes and resources. Those that have not changed are the same objects as before.
 * @type {WeakMap<object, string>} */
const texts = new WeakMap();

/** A text of an object that is another one if its values are others.
 * @param {object} o */
function textOf(o) {
  let text = texts.get(o);
  if (text === undefined) texts.set(o, (text = JSON.stringify(o)));
  return text;
}

/** Rows of a table. They are drawn again only if one of them has changed: a large cluster has
 * thousands of cells.
 * @param {{resources: ClusterResource[], nodes: string, role?: string}} props nodes: their names, with blanks between them; role: of the table, if its parts have to tell theirs */
function Rows({ resources, nodes, role }) {
  return useMemo(() => html`${resources.map((r) => html`<${Row} key=${r.id} resource=${r} nodes=${nodes} role=${role} />`)}`,
    [resources.map(textOf).join(), nodes, role]);
}

/** A resource and where it runs. It is drawn again only if it has changed.
 * @param {{resource: ClusterResource, nodes: string, role?: string}} props see Rows */
function Row({ resource: r, nodes, role }) {
  return useMemo(() => {
    const states = new Map(r.places.map((p) => [p.node, p.state]));
    const cell = (/** @type {string|undefined} */ state) => state === undefined
      ? html`<span class="muted" aria-label="not on this node">·</span>` : html`<${Badge} kind=${kindOf(state)}>${state}</${Badge}>`;
    return html`<tr role=${role && "row"}>
      <th scope="row" role=${role && "rowheader"}><b><${ResourceLink} id=${r.id} /></b> ${kindOf(r.state) !== "good" && html`<${Badge} kind=${kindOf(r.state)}>${r.state}</${Badge}>`}
        <span class="sub">${r.agent}</span>${(r.why ?? []).map((w) => html` <span key=${w} class="sub">${sentence(w)}</span>`)}</th>
      ${nodes.split(" ").map((n) => html`<td key=${n} role=${role && (role === "grid" ? "gridcell" : "cell")}>${cell(states.get(n))}</td>`)}
    </tr>`;
  }, [textOf(r), nodes, role]);
}

/** @param {{cluster: Cluster, node: ClusterNode, onAction?: (a: Action) => void}} props */
function NodeHead({ cluster: c, node: n, onAction }) {
  const holds = c.floatingIPs.some((ip) => ip.haproxy && ip.node === n.name);
  const out = n.state === "standby" || n.state === "maintenance";
  return html`<div class="node"><b><${NodeLink} name=${n.name} /></b> <${Badge} kind=${kindOf(n.state)}>${n.state}</${Badge}>${n.dc && html` <${Badge} title="Designated controller">DC</${Badge}>`}${n.leaving && html` <${Badge} kind="fair" title="Pacemaker stops there">leaving</${Badge}>`}</div>
    ${onAction && n.type !== "guest" && html`<div class="node">
      ${out ? html`<${Button} role="operate" label=${`Online ${n.name}`} onClick=${() => onAction(actionOf("online", { node: n.name }))}>Online…</${Button}>`
        : html`<${Button} role="operate" label=${`Standby ${n.name}`} onClick=${() => onAction(actionOf("standby", { node: n.name }))}>Standby…</${Button}>`}
      ${!holds && c.floatingIPs.some((ip) => ip.haproxy) && n.state === "online" && html`<${Button} role="operate" label=${`Move here: ${n.name}`}
        onClick=${() => onAction({ kind: "move", node: n.name, title: `Move the floating IP to ${n.name}?`, label: "Move", done: `The floating IP is on ${n.name}.` })}>Move here…</${Button}>`}
    </div>`}`;
}

/** @param {{cluster: Cluster, onAction?: (a: Action) => void}} props without onAction: nothing can be done */
export function Failures({ cluster: c, onAction }) {
  return html`<section class="panel" aria-label="Failures"><h2>Failures</h2>
    <div class="scroll" tabindex="0" role="region" aria-label="Table of failures"><table>
      <thead><tr><th scope="col">When</th><th scope="col">Node</th><th scope="col">Resource</th><th scope="col">Operation</th><th scope="col">Result</th><th scope="col">Reason</th></tr></thead>
      <tbody>${c.failures.map((f) => html`<tr key=${f.node + f.resource + f.operation + f.call}>
        <td>${Date.parse(f.time) > 0 ? format.clock(f.time, now.peek()) : format.unknown}</td><td><${NodeLink} name=${f.node} /></td><td><${ResourceLink} id=${f.resource.split(":")[0]} /></td><td>${f.operation}</td>
        <td>${f.code} ${f.meaning}</td><td>${f.reason || (f.status === "complete" ? format.unknown : f.status)}</td></tr>`)}</tbody>
    </table></div>
    ${onAction && html`<p><${Button} role="operate" onClick=${() => onAction({ kind: "cleanup", title: "Clean up all failures?", label: "Clean up", done: "The failures are cleared." })}>Clean up…</${Button}></p>`}
  </section>`;
}
