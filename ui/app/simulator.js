// The simulator: what the cluster would do, and drafts of its configuration.

import { useEffect, useState } from "preact/hooks";
import { diff } from "./diff.js";
import { DraftPanel, NewClusterDraft } from "./clusterdraft.js";
import { errorsOf, Field } from "./fields.js";
import * as format from "./format.js";
import { html } from "./html.js";
import { now, object } from "./live.js";
import { useLoaded } from "./loaded.js";
import { Badge, Button, Empty, Loading, Problem, sentence, Title } from "./parts.js";
import { ofImport, imported } from "./pastplace.js";
import { call, get } from "./rest.js";
import { query, route } from "./router.js";
import { refusal } from "./session.js";
import { label } from "./transition.js";
import { TransitionGraph } from "./transitiongraph.js";

/** @typedef {import("./types.js").Foreseen} Foreseen
 *  @typedef {import("./types.js").ClusterDraft} ClusterDraft
 *  @typedef {import("./types.js").Injection} Injection
 *  @typedef {import("./types.js").Prediction} Prediction */

/** The most that a CIB may have, in bytes; the API takes no more. */
const maxBytes = 8 * 1024 * 1024 - 65536;

export function SimulatorPage() {
  const cluster = object("cluster").value;
  const draft = route.value.query.get("draft") ?? "";
  const past = route.value.query.get("past") ?? "";
  const isNew = route.value.query.get("new") !== null;
  const epoch = String(cluster?.epoch ?? "").split(":").slice(0, 2).join(":");
  const drafts = useLoaded(cluster ? `drafts ${epoch} ${draft}` : null, (signal) => get("/cluster/drafts", signal));
  const crumbs = html`<nav class="crumbs" aria-label="Breadcrumb"><a href="/cluster">Cluster</a></nav>`;
  if (!cluster) return html`${crumbs}<div class="head"><${Title}>Simulator</${Title}></div><${Empty} title="This node is not in a cluster" />`;
  /** @type {ClusterDraft[]} */
  const list = drafts.data ?? [];
  return html`${crumbs}<div class="head"><${Title}>Simulator</${Title}><span class="grow"></span>
      ${!past && html`<${Button} role="admin" icon="plus" onClick=${() => query({ new: "1" })}>Draft</${Button}>`}</div>
    <p class="muted">${past ? "What Pacemaker would have done. Nothing is changed." : "What Pacemaker would do. Nothing is changed before a draft is committed."}</p>
    ${past && html`<${PastStrip} id=${past} />`}
    <${Problem} error=${drafts.error} onRetry=${drafts.again} />
    ${!past && html`<div class="toolbar"><div class="tabs" role="group" aria-label="What to simulate">
      <button type="button" aria-pressed=${draft === "" ? "true" : "false"} onClick=${() => query({ draft: null })}>The cluster</button>
      ${list.map((d) => html`<button key=${d.id} type="button" aria-pressed=${draft === d.id ? "true" : "false"} onClick=${() => query({ draft: d.id })}>Draft ${d.id}</button>`)}
    </div></div>`}
    ${past ? (refusal("operate") ? html`<${Empty} title="Nothing is simulated">${refusal("operate")}</${Empty}>` : html`<${Simulation} key=${past} past=${past} first=${supposed(route.value.query.get("suppose") ?? "")} />`)
      : draft ? html`<${DraftPanel} key=${draft} id=${draft} epoch=${epoch} onGone=${() => { query({ draft: null }); drafts.again(); }} results=${Results} events=${EventForm} />`
      : refusal("operate") ? html`<${Empty} title="Nothing is simulated">${refusal("operate")}</${Empty}>` : html`<${Simulation} key=${epoch} past="" first=${[]} />`}
    ${isNew && html`<${NewClusterDraft} onClose=${(/** @type {string} */ id) => { query({ new: null, ...(id ? { draft: id } : {}) }); drafts.again(); }} />`}`;
}

/** The event that an address supposes: a node and its state, "lb2=online".
 * @param {string} text
 * @returns {Injection[]} */
function supposed(text) {
  const at = text.lastIndexOf("=");
  return at > 0 ? [{ node: text.slice(0, at), state: text.slice(at + 1) }] : [];
}

/** Which transition of the past is simulated.
 * @param {{id: string}} props */
function PastStrip({ id }) {
  const path = ofImport(`/cluster/history/${encodeURIComponent(id)}`);
  const { data: t, error, again } = useLoaded(path, (signal) => get(path, signal));
  return html`<section class="strip past" aria-label="The past"><span><b>This is the past${t ? `: ${format.clock(t.time, now.peek())}` : ""}.</b> ${t && html`<span class="muted">DC ${t.dc || format.unknown}, version ${t.epoch}</span>`}</span>
    <${Problem} error=${error} onRetry=${again} /><span class="grow"></span><a class="button" href=${ofImport(`/history?id=${encodeURIComponent(id)}`)}>Transition</a></section>`;
}

/** The simulation of the cluster, of a file, or of a transition of the past.
 * @param {{past: string, first: Injection[]}} props past: the transition; empty: none. first: events to begin with */
function Simulation({ past, first }) {
  const [inject, setInject] = useState(first);
  const [at, setAt] = useState("");
  const [file, setFile] = useState({ name: "", text: "" });
  const [seen, setSeen] = useState(/** @type {Foreseen|null} */ (null));
  const [after, setAfter] = useState(/** @type {any} */ ({ nodes: [], resources: [] })); // of the last simulation without an error
  const [error, setError] = useState(/** @type {any} */ (null));
  const [busy, setBusy] = useState(false);
  const run = async (/** @type {Injection[]} */ events) => {
    setBusy(true);
    setError(null);
    try {
      const when = at.trim() ? { at: new Date(at.trim()).toString() === "Invalid Date" ? at.trim() : new Date(at.trim()).toISOString() } : {};
      /** @type {Foreseen} */
      const answer = (await call("POST", "/cluster/simulate", { body: { inject: events, ...when, ...(file.text ? { cib: file.text } : {}), ...(past ? { transition: past } : {}), ...(past && imported() ? { import: imported() } : {}) } })).data;
      setSeen(answer);
      setAfter(answer.simulation.after);
    } catch (failure) {
      setSeen(null);
      setError(failure);
    } finally {
      setBusy(false);
    }
  };
  const read = async (/** @type {any} */ e) => {
    /** @type {File|undefined} */
    const chosen = e.target.files[0];
    if (chosen && chosen.size > maxBytes) {
      e.target.value = "";
      setError({ message: `${chosen.name} has ${chosen.size} bytes, and ${maxBytes} at most are simulated` });
      return;
    }
    setFile(chosen ? { name: chosen.name, text: await chosen.text() } : { name: "", text: "" });
  };
  useEffect(() => void run(first), []);
  const then = past ? after : undefined;
  return html`<section class="panel" aria-label="Suppose"><h2>Suppose</h2>
      <ul class="links">${inject.map((i, n) => html`<li key=${n}>${eventWords(i)} <${Button} kind="quiet" icon="trash" label=${`Remove: ${eventWords(i)}`} onClick=${() => setInject(inject.filter((_, m) => m !== n))} /></li>`)}</ul>
      <${EventForm} onAdd=${(/** @type {Injection} */ i) => { setInject([...inject, i]); return Promise.resolve(); }} key=${then?.nodes.length ?? 0} of=${then} />
      <div class="pair"><${Field} path="at" label="Time, for rules" value=${at} onChange=${setAt} errors=${error?.fields ?? []} placeholder=${past ? "that of the transition" : "now, or 2026-12-24T20:00:00Z"} />
        ${!past && html`<div class="field"><label for="f-cib">Another CIB, from a file</label><input id="f-cib" type="file" accept=".xml" onChange=${read} /></div>`}</div>
      <p><${Button} kind="primary" role="operate" busy=${busy} onClick=${() => run(inject)}>Simulate</${Button}></p>
      ${error && errorsOf(error.fields ?? [], "at").length === 0 && html`<${Problem} error=${error} />`}</section>
    ${busy && !seen && html`<${Loading} />`}
    ${seen && html`<${Results} seen=${seen} />`}`;
}

/** An event in words.
 * @param {Injection} i */
export function eventWords(i) {
  if (i.text) return i.text;
  if (i.resource) return `${i.op} of ${i.resource} on ${i.node} ends with ${i.code}`;
  if (i.node) return `node ${i.node} is ${i.state}`;
  if (i.ticket) return `${i.action} of ticket ${i.ticket}`;
  return i.quorum ? "this partition has quorum" : "this partition loses quorum";
}

const operations = ["monitor", "start", "stop", "promote", "demote", "notify", "migrate_to", "migrate_from"];

/** A form for one event.
 * @param {{onAdd: (i: Injection) => Promise<any>, role?: "admin", of?: {nodes: {name: string}[], resources: {id: string}[]}}} props role: that this needs. of: the state that it is about; without it, that of the cluster */
function EventForm({ onAdd, role, of }) {
  const cluster = of ?? object("cluster").value;
  const nodes = (cluster?.nodes ?? []).map((/** @type {{name: string}} */ n) => n.name);
  const resources = (cluster?.resources ?? []).map((/** @type {{id: string}} */ r) => r.id);
  const [kind, setKind] = useState("node");
  const [v, setV] = useState({ node: nodes[0] ?? "", state: "unclean", resource: resources[0] ?? "", op: "monitor", interval: "10000", code: "7", ticket: "", action: "grant", quorum: "false" });
  const [error, setError] = useState(/** @type {any} */ (null));
  const set = (/** @type {string} */ name) => (/** @type {string} */ value) => setV({ ...v, [name]: value });
  const choose = (/** @type {string[]} */ list) => list.map((x) => /** @type {[string, string]} */ ([x, x]));
  const number = (/** @type {string} */ text) => (/^\d+$/.test(text.trim()) ? Number(text) : -1);
  const add = async (/** @type {Event} */ e) => {
    e.preventDefault();
    setError(null);
    try {
      await onAdd({
        node: { node: v.node, state: v.state }, op: { resource: v.resource, op: v.op, intervalMs: number(v.interval), node: v.node, code: number(v.code) },
        ticket: { ticket: v.ticket.trim(), action: v.action }, quorum: { quorum: v.quorum === "true" },
      }[kind] ?? {});
    } catch (failure) {
      setError(failure);
    }
  };
  const field = (/** @type {string} */ path, /** @type {any} */ rest) => html`<${Field} compact path=${"event." + path} value=${/** @type {any} */ (v)[path]} onChange=${set(path)} errors=${[]} ...${rest} />`;
  return html`<form class="event" aria-label="Add an event" onSubmit=${add} novalidate><div class="event-fields">
    <${Field} compact path="event.kind" label="Event" value=${kind} onChange=${setKind} errors=${[]} options=${[["node", "a node"], ["op", "result of an operation"], ["ticket", "a ticket"], ["quorum", "quorum"]]} />
    ${kind === "op" && field("resource", { label: "Resource", options: choose(resources) })}
    ${kind === "op" && field("op", { label: "Operation", options: choose(operations) })}
    ${kind === "op" && field("interval", { label: "Interval (ms)", number: true })}
    ${(kind === "node" || kind === "op") && field("node", { label: "Node", options: choose(nodes) })}
    ${kind === "node" && field("state", { label: "becomes", options: [["unclean", "unclean: it fails"], ["offline", "offline: it leaves"], ["online", "online: it joins"]] })}
    ${kind === "op" && field("code", { label: "Exit code", number: true })}
    ${kind === "ticket" && field("ticket", { label: "Ticket" })}
    ${kind === "ticket" && field("action", { label: "Action", options: choose(["grant", "revoke", "standby", "activate"]) })}
    ${kind === "quorum" && field("quorum", { label: "This partition", options: [["false", "loses quorum"], ["true", "has quorum"]] })}
    <${Button} type="submit" role=${role} icon="plus">Add</${Button}></div><${Problem} error=${error} /></form>`;
}

/** What a simulation has found.
 * @param {{seen: Foreseen, children?: any}} props children: what follows the decisions */
export function Results({ seen, children }) {
  const p = seen.simulation;
  return html`
    ${seen.warnings.length > 0 && html`<section class="panel" aria-label="Warnings"><h2>Pacemaker says</h2><ul class="links">${seen.warnings.map((w) => html`<li key=${w}>${sentence(w)}</li>`)}</ul></section>`}
    ${seen.objects.length > 0 && html`<${Objects} seen=${seen} />`}
    <section class="panel" aria-label="Decisions"><h2>Decisions</h2>
      ${p.supposed.length > 0 && html`<p class="muted">Supposed: ${p.supposed.join("; ")}.</p>`}
      ${p.consequences.length === 0 ? html`<p>The cluster starts, stops and moves nothing.</p>`
        : html`<div class="scroll" tabindex="0" role="region" aria-label="Table of decisions"><table>
        <thead><tr><th scope="col">Action</th><th scope="col">Resource</th><th scope="col">Node</th><th scope="col">Reason</th></tr></thead>
        <tbody>${p.consequences.map((c, n) => html`<tr key=${n}><td><${Badge} kind=${kindOf(c.action)}>${c.action}</${Badge}></td><td>${c.resource ?? ""}</td><td>${c.from ? `${c.from} → ` : ""}${c.node}</td><td>${c.reason ?? ""}</td></tr>`)}</tbody></table></div>`}
    </section>
    ${children}
    ${p.graph.depth > 0 && html`<section class="panel" aria-label="Transition"><h2>Transition</h2>
      <p class="muted">${p.graph.depth} ${p.graph.depth === 1 ? "step" : "steps"} one after the other, up to ${p.graph.width} at the same time.</p>
      <${TransitionGraph} graph=${p.graph} />
      <details><summary>Steps as a table</summary><${Steps} prediction=${p} /></details></section>`}
    <section class="panel" aria-label="Afterwards"><h2>Afterwards</h2><${After} prediction=${p} /></section>
    ${(p.scores.length > 0 || p.capacities.length > 0) && html`<section class="panel" aria-label="Scores"><details><summary>Scores${p.capacities.length > 0 ? " and capacities" : ""}</summary><${Scores} prediction=${p} /></details></section>`}`;
}

/** @param {string} action */
function kindOf(action) {
  if (/fence|not be able|stop/i.test(action)) return "bad";
  return /start|promote/.test(action) ? "good" : "fair";
}

/** @param {{seen: Foreseen}} props */
function Objects({ seen }) {
  return html`<section class="panel" aria-label="Changes"><h2>Changes</h2>
    <ul class="links">${seen.changes.map((c) => html`<li key=${c}>${c}</li>`)}</ul>
    <${ObjectChanges} objects=${seen.objects} />
  </section>`;
}

/** What becomes of objects, as XML.
 * @param {{objects: Foreseen["objects"], open?: boolean}} props open: whether the XML shows at once */
export function ObjectChanges({ objects, open = false }) {
  return html`${objects.map((o) => html`<details key=${o.object} open=${open}><summary>${o.object} ${!o.before ? html`<${Badge} kind="good">new</${Badge}>` : !o.after ? html`<${Badge} kind="bad">removed</${Badge}>` : o.secret ? html`<${Badge}>a secret changes</${Badge}>` : ""}</summary>
      <pre class="difference" tabindex="0" aria-label=${`XML of ${o.object}`}>${diff(o.before, o.after).map((l, n) => html`<span key=${n} class=${"xml " + l.kind}>${{ same: "  ", added: "+ ", removed: "- " }[l.kind]}${l.text}${"\n"}</span>`)}</pre></details>`)}`;
}

/** @param {{prediction: Prediction}} props */
function Steps({ prediction: p }) {
  const steps = p.graph.nodes.filter((s) => s.kind !== "pseudo").sort((a, b) => a.order - b.order || a.id - b.id);
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Table of steps"><table>
    <thead><tr><th scope="col">Order</th><th scope="col">Step</th><th scope="col">Node</th><th scope="col">Parameters</th></tr></thead>
    <tbody>${steps.map((s) => html`<tr key=${s.id}><td>${s.order}</td><td>${label(s)}</td><td>${s.node ?? ""}</td>
      <td><code>${Object.entries(s.params ?? {}).map(([k, v]) => `${k}=${v}`).join(" ")}</code></td></tr>`)}</tbody></table></div>`;
}

/** @param {{prediction: Prediction}} props */
function After({ prediction: p }) {
  const after = p.after;
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Table of the predicted state"><table class="matrix">
    <thead><tr><th scope="col">Resource</th>${after.nodes.map((n) => html`<th key=${n.name} scope="col">${n.name} ${n.state !== "online" && html`<${Badge} kind="bad">${n.state}</${Badge}>`}</th>`)}</tr></thead>
    <tbody>${after.resources.map((r) => html`<tr key=${r.id}><th scope="row">${r.id} ${r.places.length === 0 && html`<${Badge} kind="bad">${r.state}</${Badge}>`}</th>
      ${after.nodes.map((n) => { const place = r.places.find((x) => x.node === n.name); return html`<td key=${n.name}>${place ? html`<${Badge} kind="good">${place.state}</${Badge}>` : html`<span class="muted" aria-label="not on this node">·</span>`}</td>`; })}</tr>`)}</tbody></table></div>`;
}

/** @param {{prediction: Prediction}} props */
function Scores({ prediction: p }) {
  const nodes = [...new Set(p.scores.map((s) => s.node).filter(Boolean))];
  const resources = [...new Set(p.scores.map((s) => s.resource))];
  const at = new Map(p.scores.filter((s) => !s.promotion).map((s) => [s.resource + " " + s.node, s.score]));
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Table of scores"><table>
    <thead><tr><th scope="col">Resource</th>${nodes.map((n) => html`<th key=${n} scope="col">${n}</th>`)}</tr></thead>
    <tbody>${resources.map((r) => html`<tr key=${r}><th scope="row">${r}</th>${nodes.map((n) => html`<td key=${n}>${at.get(r + " " + n) ?? ""}</td>`)}</tr>`)}</tbody></table></div>
    ${p.capacities.length > 0 && html`<ul class="links">${p.capacities.map((c) => html`<li key=${c.node}>${c.node} has left: ${Object.entries(c.left).map(([k, v]) => `${k} ${v}`).join(", ") || "nothing is declared"}</li>`)}</ul>`}`;
}
