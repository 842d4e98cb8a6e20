// A node that is in no cluster joins one, with a code that a node of that cluster has made.

import { useState } from "preact/hooks";
import { Field, More } from "./fields.js";
import { html } from "./html.js";
import { Badge, Button, Dialog, Problem, sentence, toast } from "./parts.js";
import { call } from "./rest.js";

/** @typedef {import("./types.js").ClusterMembership} ClusterMembership */

/** What a join does, in its order. */
const steps = [
  "ask the node that has made the code for the key and the corosync.conf of its cluster",
  "stop corosync and Pacemaker of this node, and set Pacemaker's empty configuration aside",
  "write the key and corosync.conf, and start both services, now and with the machine",
  "wait until this node is online and has quorum",
];

/** Offers to join a cluster, and shows the steps of a join that is done.
 * @param {{joined: ClusterMembership|null, onJoin?: () => void, onClose: () => void}} props onJoin: missing: this node is in a cluster; onClose: the steps were read */
export function JoinPanel({ joined, onJoin, onClose }) {
  return html`<section class="panel" aria-label="Join a cluster"><h2>Join a cluster</h2>
    ${onJoin && html`<p class="muted">This node can become a member of a cluster that has others already. Get a code on a member's page Cluster, or with <code>thalassa cluster invite</code> on a member.</p>`}
    ${joined && html`<p role="status"><${Badge} kind="good">done</${Badge}> ${joined.node || "This node"} has joined${joined.cluster ? html` the cluster <b>${joined.cluster.name}</b>` : onJoin ? ". The agent has not seen the cluster yet" : ""}.</p><${Steps} of=${joined.steps} />`}
    <p class="button-line">${onJoin && html`<${Button} role="admin" onClick=${onJoin}>Join a cluster…</${Button}>`}
      ${joined && html`<${Button} label="Close the steps of the join" onClick=${onClose}>Close</${Button}>`}</p>
  </section>`;
}

/** @param {{of: ClusterMembership["steps"]}} props */
function Steps({ of: all }) {
  return html`<ul class="links" aria-label="Steps">${all.map((s) => html`<li key=${`${s.node} ${s.step} ${s.state} ${s.text}`}>${s.node && html`<b>${s.node}</b> `}<${Badge} kind=${{ done: "good", kept: "good", failed: "bad", warning: "fair" }[s.state] ?? ""}>${s.state}</${Badge}> ${sentence(s.text || s.step)}</li>`)}</ul>`;
}

/** Asks for a code, and joins. It stays until the join has ended, whatever becomes of the page below it.
 * @param {{onJoined: (m: ClusterMembership) => void, onClose: () => void}} props */
export function JoinDialog({ onJoined, onClose }) {
  const [code, setCode] = useState("");
  const [node, setNode] = useState("");
  const [addresses, setAddresses] = useState("");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState(/** @type {any} */ (null));
  const join = async (/** @type {Event} */ e) => {
    e.preventDefault();
    if (busy || !code.trim()) return; // the fields stay enabled, so that the focus stays
    setBusy(true);
    setError(null);
    try {
      const body = { code: code.trim(), node: node.trim() || undefined, addresses: addresses.split(/[\s,]+/).filter(Boolean) };
      const { data } = await call("POST", "/cluster/join", { body });
      toast({ text: `${data.node || "This node"} has joined the cluster.`, kind: "good" });
      onJoined(data);
    } catch (failure) {
      setError(failure);
      setBusy(false);
    }
  };
  const errors = (error?.fields ?? []).map((/** @type {any} */ f) => ({ ...f, path: f.path.replace(/\[.*/, "") }));
  return html`<${Dialog} title="Join a cluster?" busy=${busy} onClose=${onClose}><form onSubmit=${join}>
    <div class="body">
      <${Field} path="code" label="Code" value=${code} required code errors=${errors} onChange=${setCode} hint="The code that a member has shown, such as GG60008-4W8QG…" />
      <${More} title="Name and addresses" open=${errors.some((/** @type {any} */ f) => f.path !== "code")}>
        <${Field} path="node" label="Name of this node" value=${node} errors=${errors} onChange=${setNode} hint="Without one, it is the host name." />
        <${Field} path="addresses" label="Addresses of this node" value=${addresses} code errors=${errors} onChange=${setAddresses} hint="For corosync, one for each of its networks. Without any, it is the one that leads to the member with the code." />
      </${More}>
      <div role="group" aria-label="What will happen"><p class="muted">This will happen:</p><ul class="consequences">${steps.map((s) => html`<li key=${s}>${sentence(s)}</li>`)}</ul></div>
      <p><b>Resources of the cluster may then run on this node.</b> Nothing of another cluster is overwritten: a node that is in one is refused. A step that fails is undone, with those before it.</p>
      <${Problem} error=${errors.length === 0 ? error : null} />
      ${error?.status === 0 && html`<p>The join goes on without this page. Join again with the same code to wait for its end.</p>`}
      ${busy && html`<p role="status" class="muted">Joining. This takes about half a minute…</p>`}
    </div>
    <footer><${Button} disabled=${busy} onClick=${onClose}>Cancel</${Button}>
      <${Button} type="submit" kind="primary" role="admin" busy=${busy} disabled=${!code.trim()}>Join</${Button}></footer>
  </form></${Dialog}>`;
}
