// Which nodes the cluster has: invitations for others, and nodes that leave or are forgotten.

import { useEffect, useState } from "preact/hooks";
import { actionOf, kindOf } from "./clusterwords.js";
import { Field } from "./fields.js";
import * as format from "./format.js";
import { html } from "./html.js";
import { now } from "./live.js";
import { Badge, Button, CopyButton, Dialog, Loading, Problem, sentence, toast } from "./parts.js";
import { call, get } from "./rest.js";
import { identity, refusal } from "./session.js";

/** @typedef {import("./types.js").Cluster} Cluster
 *  @typedef {import("./types.js").ClusterInvitation} ClusterInvitation
 *  @typedef {import("./clusterwords.js").Action} Action */

/** How often to look at an open invitation, or again after a failure, in milliseconds. */
const interval = 2000;

/** What no answer has again: the code of the last invitation that was made here. It outlives the panel,
 * which is gone while the agent does not see the cluster.
 * @type {{invitation: ClusterInvitation, by: string|undefined}|null} */
let made = null;
identity.subscribe((who) => {
  if (made && made.by !== who?.name) made = null;
});

/** The code of an invitation; empty: it is not known here, or is of no use any more.
 * @param {ClusterInvitation|undefined} i */
function codeOf(i) {
  const known = made?.invitation;
  return i?.state === "open" && known && known.expires === i.expires && known.author === i.author ? known.code ?? "" : "";
}

/** @param {{cluster: Cluster, onAction: (a: Action) => void}} props */
export function MembersPanel({ cluster: c, onAction }) {
  const members = c.nodes.filter((n) => (n.type ?? "member") === "member");
  const gone = members.filter((n) => isGone(n.state) && n.name !== c.node).map((n) => n.name);
  return html`<section class="panel" aria-label="Members"><h2>Members</h2>
    <div class="scroll" tabindex="0" role="region" aria-label="Table of members"><table>
      <thead><tr><th scope="col">Node</th><th scope="col">State</th><th scope="col">Take it out</th></tr></thead>
      <tbody>${members.map((n) => html`<tr key=${n.name}><th scope="row">${n.name}</th><td><${Badge} kind=${kindOf(n.state)}>${n.state}</${Badge}></td>
        <td>${n.name === c.node ? html`<span class="muted">The page of another node can do that.</span>` : html`<${TakeOut} name=${n.name} state=${n.state} gone=${gone} onAction=${onAction} />`}</td></tr>`)}</tbody>
    </table></div>
    <${Invitations} />
  </section>`;
}

/** @param {string} state */
function isGone(state) {
  return state === "offline" || state === "unclean";
}

/** @param {{name: string, state: string, gone: string[], onAction: (a: Action) => void}} props gone: all that are */
function TakeOut({ name, state, gone, onAction }) {
  const action = isGone(state) ? { ...actionOf("forget", { node: name }), also: gone.filter((n) => n !== name) } : actionOf("leave", { node: name });
  return html`<${Button} role="admin" label=${`${action.label}: ${name}`} onClick=${() => onAction(action)}>${action.label}…</${Button}>`;
}

/** The last invitation of this node. */
function Invitations() {
  const may = !refusal("admin");
  const [known, setKnown] = useState(/** @type {ClusterInvitation[]|null} */ (null));
  const [error, setError] = useState(/** @type {any} */ (null));
  const [dialog, setDialog] = useState(/** @type {""|"invite"|"end"} */ (""));
  const [turn, setTurn] = useState(0);
  const last = known?.[0];
  const isOpen = last?.state === "open";
  useEffect(() => {
    if (!may) return undefined;
    const stop = new AbortController();
    /** @type {number|undefined} */
    let timer;
    const look = () => get("/cluster/invitations", stop.signal).then((/** @type {ClusterInvitation[]} */ found) => {
      setKnown(found);
      setError(null);
      if (found[0]?.state === "open") timer = setTimeout(look, interval);
    }, (failure) => {
      if (stop.signal.aborted) return;
      setError(failure);
      timer = setTimeout(look, interval);
    });
    look();
    return () => { stop.abort(); clearTimeout(timer); };
  }, [turn, may]);
  const answered = (/** @type {ClusterInvitation} */ i) => {
    made = i.code ? { invitation: i, by: identity.peek()?.name } : null;
    setDialog("");
    setTurn(turn + 1);
  };
  return html`<h3>Invitations</h3>
    <p class="muted">Another node joins with a code that this node makes. The code gives the key of the cluster to whoever has it.</p>
    <${Problem} error=${error} />
    ${may && !known && !error && html`<${Loading} lines=${1} />`}
    ${last && html`<${Invitation} of=${last} code=${codeOf(last)} />`}
    <p class="button-line">${isOpen ? html`<${Button} role="admin" kind="danger" onClick=${() => setDialog("end")}>Withdraw…</${Button}>`
      : html`<${Button} role="admin" disabled=${may && !known} onClick=${() => setDialog("invite")}>Invite a node…</${Button}>`}</p>
    ${dialog === "invite" && html`<${InviteDialog} onMade=${answered} onClose=${() => setDialog("")} />`}
    ${dialog === "end" && html`<${EndDialog} onEnded=${answered} onClose=${() => setDialog("")} />`}`;
}

/** @param {{of: ClusterInvitation, code: string}} props code: empty: this page does not know it */
function Invitation({ of: i, code }) {
  const kind = { open: "fair", done: "good", failed: "bad" }[i.state] ?? "";
  return html`<p><${Badge} kind=${kind}>${i.state}</${Badge}> made by ${i.author || "somebody"} on ${i.node}, for ${format.count(i.nodes, "node")}${i.state === "open" && html`, valid until <b>${format.clock(i.expires, now.peek())}</b>`}</p>
    ${i.result && html`<p>${sentence(i.result)}</p>`}
    ${code && html`<div class="secret" role="group" aria-label="Code of the invitation"><p>Show this code to nobody else. It is not shown again when this page is loaded again:</p>
      <pre tabindex="0" aria-label="Code"><code>${code}</code></pre><p class="button-line"><${CopyButton} text=${code} /></p>
      <p>On each new node, or with the address of its agent:</p><pre tabindex="0" aria-label="Command"><code>thalassa cluster join ${code} --agent https://…:10000</code></pre></div>`}
    ${i.state === "open" && !code && html`<p class="muted">Its code was shown once, to who has made it. Without it, withdraw the invitation and make another one.</p>`}
    ${i.steps.length > 0 && html`<ul class="links" aria-label="Steps">${i.steps.map((s) => html`<li key=${`${s.node} ${s.step} ${s.text}`}>${s.node && html`<b>${s.node}</b> `}<${Badge} kind=${{ done: "good", failed: "bad", warning: "fair" }[s.state] ?? ""}>${s.state}</${Badge}> ${sentence(s.text || s.step)}</li>`)}</ul>`}`;
}

/** @param {{onMade: (i: ClusterInvitation) => void, onClose: () => void}} props */
function InviteDialog({ onMade, onClose }) {
  const [lasts, setLasts] = useState("15m");
  const [count, setCount] = useState("1");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState(/** @type {any} */ (null));
  const isCount = /^[1-9][0-9]?$/.test(count);
  const invite = async (/** @type {Event} */ e) => {
    e.preventDefault();
    if (busy || !isCount) return; // the fields stay enabled, so that the focus stays
    setBusy(true);
    setError(null);
    try {
      onMade((await call("POST", "/cluster/invitations", { body: { for: lasts, nodes: Number(count) } })).data);
    } catch (failure) {
      setError(failure);
      setBusy(false);
    }
  };
  const errors = error?.fields ?? [];
  return html`<${Dialog} title="Invite a node?" busy=${busy} onClose=${onClose}><form onSubmit=${invite}>
    <div class="body">
      <p><b>The code gives the key of the cluster to whoever has it.</b> While the invitation is open, the cluster is not started or stopped, and no node leaves.</p>
      <${Field} path="for" label="Valid for" value=${lasts} options=${[["10m", "10 minutes"], ["15m", "15 minutes"], ["1h", "1 hour"], ["24h", "24 hours"]]} errors=${errors} onChange=${setLasts} />
      <${Field} path="nodes" label="Number of nodes" value=${count} number errors=${isCount ? errors : [...errors, { path: "nodes", problem: "this is no number of nodes", expected: "1 to 31" }]} onChange=${setCount} />
      <${Problem} error=${errors.length === 0 ? error : null} />
      ${busy && html`<p role="status" class="muted">Asking the agents of all nodes…</p>`}
    </div>
    <footer><${Button} disabled=${busy} onClick=${onClose}>Cancel</${Button}>
      <${Button} type="submit" kind="primary" role="admin" busy=${busy} disabled=${!isCount}>Make a code</${Button}></footer>
  </form></${Dialog}>`;
}

/** @param {{onEnded: (i: ClusterInvitation) => void, onClose: () => void}} props */
function EndDialog({ onEnded, onClose }) {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState(/** @type {any} */ (null));
  const end = async () => {
    setBusy(true);
    try {
      const { data } = await call("DELETE", "/cluster/invitations");
      toast({ text: "The invitation was withdrawn.", kind: "good" });
      onEnded(data);
    } catch (failure) {
      setError(failure);
      setBusy(false);
    }
  };
  return html`<${Dialog} title="Withdraw the invitation?" busy=${busy} onClose=${onClose}>
    <div class="body"><p><b>Its code is of no use then. A node that is joining is taken out again.</b></p>
      <${Problem} error=${error} />
      ${busy && html`<p role="status" class="muted">Waiting for its end…</p>`}</div>
    <footer><${Button} disabled=${busy} onClick=${onClose}>Cancel</${Button}>
      <${Button} kind="primary danger" role="admin" busy=${busy} onClick=${end}>Withdraw</${Button}></footer>
  </${Dialog}>`;
}
