// The Pacemaker cluster: nodes by resources, and what can be done to them.

import { useEffect, useState } from "preact/hooks";
import * as format from "./format.js";
import { html } from "./html.js";
import { list, now, object } from "./live.js";
import { Notice } from "./notices.js";
import { Badge, Button, Dialog, Empty, Loading, Problem, sentence, Title, toast } from "./parts.js";
import { call } from "./rest.js";

/** @typedef {import("./types.js").Cluster} Cluster
 *  @typedef {import("./types.js").ClusterNode} ClusterNode
 *  @typedef {import("./types.js").ClusterResource} ClusterResource
 *  @typedef {{action: string, node?: string, resource?: string, title: string, verb: string, done: string}} Deed */

/** How good a state of a cluster, node or resource is.
 * @param {string} state */
function kindOf(state) {
  if (["ok", "online", "started"].includes(state)) return "good";
  if (["errors", "no-quorum", "offline", "unclean", "failed", "blocked"].includes(state)) return "bad";
  return ["stopped", "disabled"].includes(state) ? "" : "fair";
}

export function ClusterPage() {
  /** @type {Cluster|undefined} */
  const c = object("cluster").value;
  const known = list("cluster").value;
  const [deed, setDeed] = useState(/** @type {Deed|null} */ (null));
  if (!c) {
    return html`<div class="head"><${Title}>Cluster</${Title}></div>
      ${known ? html`<${Empty} title="This node is in no cluster">Pacemaker does not run here, or the agent's setting cluster is off.</${Empty}>` : html`<${Loading} />`}`;
  }
  if (c.nodes.length === 0) {
    return html`<div class="head"><${Title}>Cluster</${Title}></div>
      <${Empty} title="Pacemaker has not answered on this node">${c.reasons.map(sentence).join(" ")}</${Empty}>`;
  }
  return html`
    <div class="head"><${Title}>${c.name || "Cluster"}</${Title}><${Badge} kind=${kindOf(c.state)}>${c.state}</${Badge}>
      <span class="muted">Pacemaker ${c.version}, DC ${c.dc || "none"}, ${c.quorum ? "quorum" : "no quorum"}, this node is ${c.node} (${c.role})</span>
      <span class="grow"></span>
      ${c.maintenance
        ? html`<${Button} role="admin" onClick=${() => setDeed({ action: "ready", title: "End the maintenance?", verb: "End it", done: "The maintenance is over." })}>End maintenance…</${Button}>`
        : html`<${Button} role="admin" onClick=${() => setDeed({ action: "maintenance", title: "Put the cluster into maintenance?", verb: "Begin", done: "The cluster is in maintenance: Pacemaker looks on and does nothing." })}>Maintenance…</${Button}>`}
    </div>
    <div class="notices">${c.reasons.map((r) => html`<${Notice} key=${r} kind=${kindOf(c.state) === "bad" ? "bad" : "fair"} title=${sentence(r)} />`)}</div>
    <${Addresses} cluster=${c} />
    <${Matrix} cluster=${c} onDeed=${setDeed} />
    ${c.failures.length > 0 && html`<${Failures} cluster=${c} onDeed=${setDeed} />`}
    ${deed && html`<${DeedDialog} key=${deed.action + deed.node} deed=${deed} onClose=${() => setDeed(null)} />`}`;
}

/** @param {{cluster: Cluster}} props */
function Addresses({ cluster: c }) {
  return html`<section class="panel" aria-label="Floating IPs"><h2>Floating IPs</h2>
    <ul class="links">${c.floatingIPs.map((ip) => html`<li key=${ip.resource}><code>${ip.address}</code> ${ip.nodes.length === 1
      ? html`is on <b>${ip.node}</b>` : html`<${Badge} kind="bad">${ip.nodes.length ? `on ${ip.nodes.join(" and ")}` : "on no node"}</${Badge}>`}</li>`)}</ul>
    ${c.floatingIPs.length === 0 && html`<p class="muted">There is none. thalassa cluster apply sets one up.</p>`}
  </section>`;
}

/** @param {{cluster: Cluster, onDeed: (d: Deed) => void}} props */
function Matrix({ cluster: c, onDeed }) {
  return html`<section class="panel" aria-label="Nodes and resources"><h2>Nodes and resources</h2>
    <div class="scroll" tabindex="0" role="region" aria-label="Table of nodes and resources"><table class="matrix">
      <thead><tr><th scope="col">Resource</th>${c.nodes.map((n) => html`<th key=${n.name} scope="col"><${NodeHead} cluster=${c} node=${n} onDeed=${onDeed} /></th>`)}</tr></thead>
      <tbody>${c.resources.map((r) => html`<tr key=${r.id}>
        <th scope="row"><b>${r.id}</b> ${kindOf(r.state) !== "good" && html`<${Badge} kind=${kindOf(r.state)}>${r.state}</${Badge}>`}
          <span class="sub">${r.agent}</span></th>
        ${c.nodes.map((n) => html`<td key=${n.name}><${Cell} resource=${r} node=${n.name} /></td>`)}
      </tr>`)}</tbody>
    </table></div>
  </section>`;
}

/** @param {{resource: ClusterResource, node: string}} props */
function Cell({ resource: r, node }) {
  const place = r.places.find((p) => p.node === node);
  if (!place) return html`<span class="muted" aria-label="not here">·</span>`;
  return html`<${Badge} kind=${kindOf(place.state)}>${place.state}</${Badge}>`;
}

/** @param {{cluster: Cluster, node: ClusterNode, onDeed: (d: Deed) => void}} props */
function NodeHead({ cluster: c, node: n, onDeed }) {
  const holds = c.floatingIPs.some((ip) => ip.node === n.name);
  const out = n.state === "standby" || n.state === "maintenance";
  return html`<div class="node"><b>${n.name}</b> <${Badge} kind=${kindOf(n.state)}>${n.state}</${Badge}>${n.dc && html` <${Badge} title="The node that decides">DC</${Badge}>`}</div>
    <div class="node">
      ${out ? html`<${Button} role="admin" label=${`Online ${n.name}`} onClick=${() => onDeed({ action: "online", node: n.name, title: `Let ${n.name} take part again?`, verb: "Online", done: `${n.name} takes part again.` })}>Online…</${Button}>`
        : html`<${Button} role="admin" label=${`Standby ${n.name}`} onClick=${() => onDeed({ action: "standby", node: n.name, title: `Take everything off ${n.name}?`, verb: "Standby", done: `${n.name} is in standby.` })}>Standby…</${Button}>`}
      ${!holds && c.floatingIPs.length > 0 && n.state === "online" && html`<${Button} role="admin" label=${`Move here: ${n.name}`}
        onClick=${() => onDeed({ action: "move", node: n.name, title: `Move the floating IP to ${n.name}?`, verb: "Move", done: `The floating IP is on ${n.name}.` })}>Move here…</${Button}>`}
    </div>`;
}

/** @param {{cluster: Cluster, onDeed: (d: Deed) => void}} props */
function Failures({ cluster: c, onDeed }) {
  return html`<section class="panel" aria-label="Failures"><h2>Failures</h2>
    <div class="scroll" tabindex="0" role="region" aria-label="Table of failures"><table>
      <thead><tr><th scope="col">When</th><th scope="col">Node</th><th scope="col">Resource</th><th scope="col">Operation</th><th scope="col">Result</th><th scope="col">Reason</th></tr></thead>
      <tbody>${c.failures.map((f) => html`<tr key=${f.node + f.resource + f.operation + f.call}>
        <td>${Date.parse(f.time) > 0 ? format.clock(f.time, now.peek()) : format.unknown}</td><td>${f.node}</td><td>${f.resource}</td><td>${f.operation}</td>
        <td>${f.code} ${f.meaning}</td><td>${f.reason || (f.status === "complete" ? format.unknown : f.status)}</td></tr>`)}</tbody>
    </table></div>
    <p><${Button} role="admin" onClick=${() => onDeed({ action: "cleanup", title: "Forget all failures?", verb: "Clean up", done: "The failures are forgotten." })}>Clean up…</${Button}></p>
  </section>`;
}

/** Shows what the cluster will do, before the click counts.
 * @param {{deed: Deed, onClose: () => void}} props */
function DeedDialog({ deed, onClose }) {
  const { action, node, resource } = deed;
  const [seen, setSeen] = useState(/** @type {string[]|null} */ (null));
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState(/** @type {any} */ (null));
  useEffect(() => {
    const stop = new AbortController();
    call("POST", `/cluster/simulate/${action}`, { body: { node, resource }, signal: stop.signal }).then(
      ({ data }) => setSeen(data.text),
      (failure) => stop.signal.aborted || setError(failure),
    );
    return () => stop.abort();
  }, []);
  const act = async () => {
    setBusy(true);
    try {
      await call("POST", `/cluster/actions/${action}`, { body: { node, resource } });
      toast({ text: deed.done, kind: "good" });
      onClose();
    } catch (failure) {
      setError(failure);
      setBusy(false);
    }
  };
  return html`<${Dialog} title=${deed.title} busy=${busy} onClose=${onClose}>
    <div class="body">
      ${seen === null ? !error && html`<${Loading} lines=${2} />` : seen.length === 0 ? html`<p>The cluster will start, stop and move nothing.</p>`
        : html`<p class="muted">By the simulation of Pacemaker's scheduler the cluster</p><ul class="consequences">${seen.map((s) => html`<li key=${s}>${s}</li>`)}</ul>`}
      <${Problem} error=${error} />
      ${busy && html`<p role="status" class="muted">This ends when the cluster has nothing more to do…</p>`}
    </div>
    <footer><${Button} disabled=${busy} onClick=${onClose}>Cancel</${Button}>
      <${Button} kind="primary" role="admin" busy=${busy} disabled=${seen === null} onClick=${act}>${deed.verb}</${Button}></footer>
  </${Dialog}>`;
}
