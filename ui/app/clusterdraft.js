// One draft of the cluster's configuration: its edits, the events that it supposes, and the
// bar that commits or drops it.

import { useEffect, useState } from "preact/hooks";
import { keptOn } from "./clusterwords.js";
import { Field } from "./fields.js";
import * as format from "./format.js";
import { html } from "./html.js";
import { Badge, Button, Dialog, Empty, Loading, Problem, sentence, toast } from "./parts.js";
import { call, get } from "./rest.js";
import { refusal } from "./session.js";

/** @typedef {import("./types.js").ClusterDraft} ClusterDraft
 *  @typedef {import("./types.js").Foreseen} Foreseen
 *  @typedef {import("./types.js").Injection} Injection
 *  @typedef {Foreseen & {draft: ClusterDraft, problem?: string}} Difference */

/** @param {string} id */
const pathOf = (id) => "/cluster/drafts/" + encodeURIComponent(id);

/** @param {{id: string, epoch: string, onGone: () => void, results: any, events: any}} props results and events: the components of the simulator */
export function DraftPanel({ id, epoch, onGone, results: Results, events: EventForm }) {
  const [seen, setSeen] = useState(/** @type {Difference|null} */ (null));
  const [error, setError] = useState(/** @type {any} */ (null));
  const [turn, setTurn] = useState(0);
  const [busy, setBusy] = useState(true);
  const again = () => setTurn((n) => n + 1);
  useEffect(() => {
    const stop = new AbortController();
    setBusy(true);
    const read = refusal("operate") ? get(pathOf(id), stop.signal).then((draft) => ({ draft })) : get(pathOf(id) + "/diff", stop.signal);
    read.then((d) => { setSeen(d); setError(null); setBusy(false); },
      (failure) => { if (!stop.signal.aborted) { setError(failure); setBusy(false); } });
    return () => stop.abort();
  }, [id, epoch, turn]);
  const change = async (/** @type {string} */ method, /** @type {string} */ below, /** @type {any} */ body) => {
    const { data } = await call(method, pathOf(id) + below, { body });
    again();
    return data;
  };
  if (error?.status === 404) return html`<${Empty} title=${`No draft ${id}`}>It was committed or dropped, is somebody else's, or no agent that has it can be reached.</${Empty}>`;
  if (!seen) return html`<${Problem} error=${error} onRetry=${again} />${!error && html`<${Loading} lines=${6} />`}`;
  const d = seen.draft;
  return html`
    <${BatchBar} draft=${d} busy=${busy} problem=${seen.problem ?? ""} onGone=${onGone} onChanged=${again} />
    <${Problem} error=${error} onRetry=${again} />
    ${d.conflicts.length > 0 && html`<${Conflicts} draft=${d} onChange=${change} />`}
    ${d.commit && html`<p class="muted" role="status">Job <code>${d.commit}</code> commits this draft now. Nothing changes it meanwhile.</p>`}
    <p class="muted">${keptOn(d.kept)}</p>
    ${seen.problem && d.conflicts.length === 0 && html`<div class="problem" role="alert"><div><p>${sentence(seen.problem)}</p></div></div>`}
    <section class="panel" aria-label="Edits"><h2>Edits</h2>
      ${d.edits.length === 0 && html`<p class="muted">None yet.</p>`}
      <ul class="links">${d.edits.map((e) => html`<li key=${e.number}><code>${e.method} ${e.path}</code> <span class="muted">${e.author}</span>
        <${RemoveButton} label=${`Take out edit ${e.number}`} run=${() => change("DELETE", `/edits/${e.number}`, undefined)} /></li>`)}</ul>
      <${EditForm} draft=${d} onDone=${again} /></section>
    <section class="panel" aria-label="Suppose"><h2>Suppose</h2>
      <ul class="links">${d.inject.map((i) => html`<li key=${i.number}>${i.text} <${RemoveButton} label=${`Remove: ${i.text}`} run=${() => change("DELETE", `/injections/${i.number}`, undefined)} /></li>`)}</ul>
      <${EventForm} role="admin" onAdd=${(/** @type {Injection} */ i) => change("POST", "/injections", i)} /></section>
    ${refusal("operate") && html`<p class="muted">What it would do is shown with the role operate.</p>`}
    ${seen.simulation && html`<${Results} seen=${seen} />`}`;
}

/** @param {{label: string, run: () => Promise<any>}} props */
function RemoveButton({ label, run }) {
  const remove = async () => {
    try {
      await run();
    } catch (failure) {
      toast({ kind: "bad", text: /** @type {Error} */ (failure).message, seconds: 20 });
    }
  };
  return html`<${Button} kind="quiet" icon="trash" role="admin" label=${label} onClick=${remove} />`;
}

/** What a draft would do, and whether to do it.
 * @param {{draft: ClusterDraft, busy: boolean, problem: string, onGone: () => void, onChanged: () => void, link?: string}} props link: to the simulation of the draft */
export function BatchBar({ draft: d, busy, problem, onGone, onChanged, link }) {
  const [asked, setAsked] = useState("");
  return html`<section class="strip draft batch" aria-label="Draft">
    <span role="status">Draft <b>${d.id}</b>${d.message && ` – ${d.message}`} – ${format.count(d.edits.length, "edit")}, ${format.count(d.objects.length, "object")}${busy ? ", simulating…" : ""}</span>
    ${d.conflicts.length > 0 && html`<${Badge} kind="bad" title=${d.conflicts.join(", ")}>${format.count(d.conflicts.length, "conflict")}</${Badge}>`}
    <span class="grow"></span>
    ${link && html`<a href=${link}>Simulator</a>`}
    <${Button} kind="link" role="admin" onClick=${async () => { await call("PATCH", pathOf(d.id), { body: { listed: !d.listed } }); onChanged(); }}>${d.listed ? "Hide from others" : "Show to others"}</${Button}>
    <${Button} kind="link" role="admin" disabled=${busy || d.edits.length === 0 || problem !== ""} onClick=${() => setAsked("commit")}>Commit…</${Button}>
    <${Button} kind="link" role="admin" onClick=${() => setAsked("drop")}>Drop…</${Button}>
    ${asked && html`<${Ask} key=${asked} draft=${d} commits=${asked === "commit"} onClose=${() => setAsked("")} onGone=${onGone} onChanged=${onChanged} />`}
  </section>`;
}

/** @param {{draft: ClusterDraft, commits: boolean, onClose: () => void, onGone: () => void, onChanged: () => void}} props */
function Ask({ draft: d, commits, onClose, onGone, onChanged }) {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState(/** @type {any} */ (null));
  const run = async () => {
    setBusy(true);
    try {
      await (commits ? call("POST", pathOf(d.id) + "/commit") : call("DELETE", pathOf(d.id)));
      toast({ kind: "good", text: commits ? `Draft ${d.id} is committed, and the cluster has settled.` : `Draft ${d.id} is dropped.` });
      onClose();
      onGone();
    } catch (failure) {
      setError(failure);
      setBusy(false);
      onChanged();
    }
  };
  return html`<${Dialog} title=${commits ? `Commit draft ${d.id}?` : `Drop draft ${d.id}?`} busy=${busy} onClose=${onClose}>
    <div class="body">${commits ? html`<p>It changes ${d.objects.join(", ") || "nothing"}, with one write. Events that it supposes are not part of it.</p>` : html`<p>Its ${format.count(d.edits.length, "edit")} ${d.edits.length === 1 ? "is" : "are"} lost. The cluster stays as it is.</p>`}
      <${Problem} error=${error} />${busy && html`<p role="status" class="muted">Waiting for the cluster to settle…</p>`}</div>
    <footer><${Button} disabled=${busy} onClick=${onClose}>Cancel</${Button}><${Button} kind=${commits ? "primary" : "danger"} role="admin" busy=${busy} onClick=${run}>${commits ? "Commit" : "Drop"}</${Button}></footer>
  </${Dialog}>`;
}

/** @param {{draft: ClusterDraft, onChange: (method: string, below: string, body: any) => Promise<any>}} props */
function Conflicts({ draft: d, onChange }) {
  const [error, setError] = useState(/** @type {any} */ (null));
  return html`<div class="problem conflict" role="alert"><div>
    <p><b>Somebody else has changed ${d.conflicts.length === 1 ? "an object" : format.count(d.conflicts.length, "object")} of this draft since:</b> ${d.conflicts.join(", ")}.</p>
    <p class="actions"><${Button} role="admin" kind="danger" onClick=${() => onChange("POST", "/rebase", undefined).catch(setError)}>Rebase: the draft's edits on top of theirs</${Button}></p>
    <${Problem} error=${error} /></div></div>`;
}

/** A form for one edit, as the API takes it.
 * @param {{draft: ClusterDraft, onDone: () => void}} props */
function EditForm({ draft: d, onDone }) {
  const [v, setV] = useState({ method: "PUT", kind: "primitives", id: "", text: "" });
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState(/** @type {any} */ (null));
  const path = `/cluster/config/${encodeURIComponent(v.kind)}/${encodeURIComponent(v.id.trim())}`;
  const set = (/** @type {string} */ name) => (/** @type {string} */ value) => setV({ ...v, [name]: value });
  const load = async () => {
    setError(null);
    try {
      setV({ ...v, text: JSON.stringify(await get(`${path}?draft=${encodeURIComponent(d.id)}`), null, 2) });
    } catch (failure) {
      setError(failure);
    }
  };
  const submit = async (/** @type {Event} */ e) => {
    e.preventDefault();
    setBusy(true);
    setError(null);
    try {
      const edit = { method: v.method, path, ...(v.method === "DELETE" ? { cascade: true } : v.text.trim().startsWith("<") ? { xml: v.text } : { body: JSON.parse(v.text || "{}") }) };
      await call("POST", `/cluster/changes?draft=${encodeURIComponent(d.id)}`, { body: { edits: [edit] } });
      setV({ ...v, text: "" });
      onDone();
    } catch (failure) {
      setError(failure);
    } finally {
      setBusy(false);
    }
  };
  const kinds = ["primitives", "groups", "clones", "bundles", "templates", "locations", "colocations", "orders", "tickets", "tags", "nodes", "properties", "resource-defaults", "operation-defaults", "alerts", "fencing", "roles", "targets", "acl-groups"];
  return html`<form aria-label="Add an edit" onSubmit=${submit} novalidate><div class="event-fields">
    <${Field} path="edit.method" label="Change" value=${v.method} onChange=${set("method")} errors=${[]} options=${[["PUT", "make or replace"], ["PATCH", "change fields"], ["DELETE", "remove"]]} />
    <${Field} path="edit.kind" label="Kind" value=${v.kind} onChange=${set("kind")} errors=${[]} options=${kinds.map((k) => [k, k])} />
    <${Field} path="edit.id" label="ID" value=${v.id} onChange=${set("id")} errors=${[]} placeholder="web" /></div>
    ${v.method !== "DELETE" && html`<${Field} path="edit.text" label="Object, as JSON or XML" lines=${6} code value=${v.text} onChange=${set("text")} errors=${[]} placeholder='{"agent": "ocf:heartbeat:IPaddr2", "params": {"ip": "192.0.2.9"}}' />`}
    <p class="button-line">${v.method !== "DELETE" && html`<${Button} disabled=${v.id.trim() === ""} onClick=${load}>Load</${Button}>`}
      <${Button} type="submit" role="admin" icon="plus" busy=${busy} disabled=${v.id.trim() === ""}>Add to the draft</${Button}></p>
    ${error && html`<${Problem} error=${error} />${(error.fields ?? []).length > 0 && html`<ul class="links">${error.fields.map((/** @type {import("./types.js").FieldError} */ f) => html`<li key=${f.path}><code>${f.path}</code> ${f.problem}${f.expected ? `; expected ${f.expected}` : ""}</li>`)}</ul>`}`}
  </form>`;
}

/** @param {{onClose: (id: string) => void}} props id: of the draft that was begun, or "" */
export function NewClusterDraft({ onClose }) {
  const [id, setID] = useState("");
  const [message, setMessage] = useState("");
  const [listed, setListed] = useState("no");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState(/** @type {any} */ (null));
  const submit = async (/** @type {Event} */ e) => {
    e.preventDefault();
    setBusy(true);
    try {
      const { data } = await call("POST", "/cluster/drafts", { body: { ...(id.trim() ? { id: id.trim() } : {}), message, listed: listed === "yes" } });
      onClose(data.id);
    } catch (failure) {
      setError(failure);
      setBusy(false);
    }
  };
  const fields = error?.fields ?? [];
  return html`<${Dialog} title="New draft of the cluster's configuration" busy=${busy} onClose=${() => onClose("")}><form onSubmit=${submit} novalidate>
    <div class="body"><${Field} path="message" label="Message" value=${message} onChange=${setMessage} errors=${fields} placeholder="what it is for" />
      <${Field} path="id" label="Name" value=${id} onChange=${setID} errors=${fields} placeholder="a number" hint="Optional. Letters, digits and _ . : -" />
      <${Field} path="listed" label="Others" value=${listed} onChange=${setListed} errors=${fields} options=${[["no", "do not see it"], ["yes", "see and change it"]]} />
      ${fields.length === 0 && html`<${Problem} error=${error} />`}</div>
    <footer><${Button} disabled=${busy} onClick=${() => onClose("")}>Cancel</${Button}><${Button} kind="primary" type="submit" role="admin" busy=${busy}>Begin</${Button}></footer>
  </form></${Dialog}>`;
}
