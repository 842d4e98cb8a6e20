// The drafts: their list, and the page of one with what a commit would do.

import { useEffect, useState } from "preact/hooks";
import { commit } from "./commit.js";
import { ObjectChanges, PreviewPanels } from "./difference.js";
import { draftPath } from "./draftbar.js";
import { drop, edit, editing, leave } from "./editing.js";
import { errorsOf, Field } from "./fields.js";
import * as format from "./format.js";
import { html } from "./html.js";
import { now, object } from "./live.js";
import { useLoaded } from "./loaded.js";
import { Badge, Button, Dialog, Empty, Loading, Problem, Title, toast } from "./parts.js";
import { call, get } from "./rest.js";
import { go, pathOf, query, route } from "./router.js";
import { changeable, identity, refusal } from "./session.js";

/** @typedef {import("./types.js").Draft} Draft
 *  @typedef {import("./types.js").DraftDifference} DraftDifference
 *  @typedef {import("./rest.js").Failure} Failure */

export function Drafts() {
  const [drafts, setDrafts] = useState(/** @type {Draft[]|null} */ (null));
  const [error, setError] = useState(/** @type {any} */ (null));
  const revision = object("status").value?.revision;
  const pending = editing.value?.objects.length;
  useEffect(() => void get("/drafts").then((all) => { setDrafts(all); setError(null); }, setError), [revision, pending]);
  const fresh = route.value.query.get("new") !== null;
  return html`<div class="head"><${Title}>Drafts</${Title}><span class="grow"></span>
      <${Button} role="admin" on=${changeable()} icon="plus" onClick=${() => query({ new: "1" })}>Draft</${Button}></div>
    <p class="muted">A draft collects changes. They take effect when it is committed, as one change with at most one reload.</p>
    <${Problem} error=${error} />
    ${!drafts && !error && html`<${Loading} />`}
    ${drafts?.length === 0 && html`<${Empty} title="No drafts">Create one to review changes before they take effect.</${Empty}>`}
    ${drafts && drafts.length > 0 && html`<ul class="rows drafts">${drafts.map((d) => html`<${DraftRow} key=${d.id} draft=${d} />`)}</ul>`}
    ${fresh && html`<${NewDraft} onClose=${() => query({ new: null })} />`}`;
}

/** @param {{draft: Draft}} props */
function DraftRow({ draft: d }) {
  const isEdited = editing.value?.id === d.id;
  return html`<li class="row"><div class="draft-line">
    <div class="grow"><a class="name" href=${draftPath(d.id)}>${d.id}</a> ${isEdited && html`<${Badge} kind="info">edited here</${Badge}>`}
      ${(d.conflicts?.length ?? 0) > 0 && html` <${Badge} kind="bad">${format.count(d.conflicts?.length ?? 0, "conflict")}</${Badge}>`}
      ${d.message && html`<span class="message">${d.message}</span>`}
      <span class="sub">${format.count(d.objects.length, "pending edit")} · changed ${format.age(Date.parse(d.changed), now.value)}${d.author ? ` · begun by ${d.author}` : ""}</span></div>
    <${EditButton} id=${d.id} /></div></li>`;
}

/** @param {{id: string}} props */
function EditButton({ id }) {
  if (editing.value?.id === id) return html`<${Button} onClick=${leave}>Leave</${Button}>`;
  return html`<${Button} icon="edit" role="deploy" on=${changeable()} onClick=${() => edit(id)}>Edit in this draft</${Button}>`;
}

/** @param {{onClose: () => void}} props */
function NewDraft({ onClose }) {
  const [id, setID] = useState("");
  const [message, setMessage] = useState("");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState(/** @type {Failure|null} */ (null));
  const submit = async (/** @type {Event} */ e) => {
    e.preventDefault();
    setBusy(true);
    setError(null);
    try {
      const { data } = await call("POST", "/drafts", { body: { ...(id.trim() ? { id: id.trim() } : {}), message } });
      await edit(data.id);
      go("/overview");
    } catch (failure) {
      setError(/** @type {Failure} */ (failure));
      setBusy(false);
    }
  };
  const fields = error?.fields ?? [];
  const isMarked = errorsOf(fields, "id").length + errorsOf(fields, "message").length > 0;
  return html`<${Dialog} title="New draft" busy=${busy} onClose=${onClose}><form onSubmit=${submit} novalidate>
    <div class="body">
      <${Field} path="message" label="Message" value=${message} onChange=${setMessage} errors=${fields} placeholder="what it is for" hint="The history shows it with the change." />
      <${Field} path="id" label="Name" value=${id} onChange=${setID} errors=${fields} placeholder="a number" hint="Optional. Letters, digits and _ . : -" />
      ${!isMarked && html`<${Problem} error=${error} />`}</div>
    <footer><${Button} disabled=${busy} onClick=${onClose}>Cancel</${Button}><${Button} kind="primary" type="submit" role="admin" on=${changeable()} busy=${busy}>Begin and edit</${Button}></footer>
  </form></${Dialog}>`;
}

/** @param {{id: string}} props */
export function DraftPage({ id }) {
  const [difference, setDifference] = useState(/** @type {DraftDifference|null} */ (null));
  const [error, setError] = useState(/** @type {any} */ (null));
  const [turn, setTurn] = useState(0);
  const revision = object("status").value?.revision;
  const edited = editing.value?.id === id ? editing.value.changed : "";
  const maySee = !refusal("deploy", changeable());
  const isKnown = identity.value !== null;
  useEffect(() => {
    if (!isKnown) return undefined;
    const stop = new AbortController();
    load(id, maySee, stop.signal).then((d) => { setDifference(d); setError(null); }, (failure) => stop.signal.aborted || setError(failure));
    return () => stop.abort();
  }, [id, revision, edited, turn, maySee, isKnown]);
  const again = () => setTurn((n) => n + 1);
  const crumbs = html`<nav class="crumbs" aria-label="Breadcrumb"><a href="/drafts">Drafts</a></nav>`;
  if (error?.status === 404) return html`${crumbs}<${Title}>Draft ${id}</${Title}><${Empty} title=${`No draft ${id}`}><p>It was committed or deleted, or never existed. <a href="/drafts">Go to the drafts</a></p></${Empty}>`;
  if (!difference) return html`${crumbs}<${Title}>Draft ${id}</${Title}><${Problem} error=${error} onRetry=${again} />${!error && html`<${Loading} lines=${6} />`}`;
  return html`${crumbs}<${Problem} error=${error} onRetry=${again} /><${OneDraft} difference=${difference} maySee=${maySee} onChange=${again} />`;
}

/** A draft with what a commit would do; without it for whoever may not see that.
 * @param {string} id
 * @param {boolean} maySee
 * @param {AbortSignal} signal
 * @returns {Promise<DraftDifference>} */
async function load(id, maySee, signal) {
  if (maySee) return get(`${draftPath(id)}/diff`, signal);
  return { draft: await get(draftPath(id), signal), preview: { base: 0, path: "none", changes: [] } };
}

/** @param {{difference: DraftDifference, maySee: boolean, onChange: () => void}} props */
function OneDraft({ difference: { draft: d, preview, problem, output }, maySee, onChange }) {
  const [removing, setRemoving] = useState(false);
  const [error, setError] = useState(/** @type {any} */ (null));
  const run = async (/** @type {() => Promise<any>} */ act) => {
    try {
      await act();
      setError(null);
    } catch (failure) {
      setError(failure);
    }
    onChange();
  };
  const dropButton = (/** @type {string} */ objectID) => html`<${Button} kind="quiet" role="admin" on=${objectID} title=${`Take ${objectID} out of the draft`} onClick=${() => run(() => drop(d.id, [objectID]))}>Drop</${Button}>`;
  const conflicts = d.conflicts ?? [];
  return html`<div class="head"><div><${Title}>Draft ${d.id}</${Title}>
        <p class="sub">${d.message ? html`<b>${d.message}</b> · ` : ""}${format.count(d.objects.length, "pending edit")} · begun ${format.clock(d.time, now.value)}${d.author ? ` by ${d.author}` : ""}</p></div>
      <span class="grow"></span><${EditButton} id=${d.id} />
      <${Button} role="admin" on=${changeable()} icon="trash" kind="danger" onClick=${() => setRemoving(true)}>Delete</${Button}></div>
    <${Problem} error=${error} />
    ${conflicts.length > 0 && html`<${Conflicts} draft=${d} run=${run} />`}
    ${maySee ? html`${conflicts.length === 0 && d.objects.length > 0 && html`<${CommitForm} draft=${d} onFailure=${onChange} />`}
      ${conflicts.length > 0 ? html`<${ObjectChanges} changes=${preview.changes} drop=${dropButton} />`
        : html`<${PreviewPanels} preview=${preview} problem=${problem} output=${output} drop=${dropButton} />`}`
      : html`<section class="panel" aria-label="Pending edits"><h2>Pending edits</h2><ul class="links">${d.objects.map((o) => html`<li key=${o}><a href=${pathOf(o)}>${o}</a></li>`)}</ul>
        <p class="muted">You need the role deploy to see what a commit would do.</p></section>`}
    <${Edits} draft=${d} run=${run} />
    ${removing && html`<${DeleteDraft} draft=${d} onClose=${() => setRemoving(false)} />`}`;
}

/** The last requests that changed the draft, newest first, and the way to take one back.
 * @param {{draft: Draft, run: (act: () => Promise<any>) => Promise<void>}} props */
function Edits({ draft: d, run }) {
  const loaded = useLoaded(`${d.id}/${d.changed}/${d.objects.length}`, (signal) => get(`${draftPath(d.id)}/edits`, signal));
  /** @type {import("./types.js").DraftEdit[]} */
  const edits = loaded.data ?? [];
  if (edits.length === 0 && !loaded.error) return null;
  return html`<section class="panel" aria-label="Edits of the draft"><h2>Edits <span class="count">${edits.length}</span></h2>
    <${Problem} error=${loaded.error} onRetry=${loaded.again} />
    <p class="actions"><${Button} role="admin" on=${changeable()} onClick=${() => run(() => call("POST", `${draftPath(d.id)}/undo`))}>Undo the last edit</${Button}></p>
    <div class="scroll" tabindex="0" role="region" aria-label="Edits"><table>
      <thead><tr><th scope="col">Edit</th><th scope="col">When</th><th scope="col">Who</th><th scope="col">Request</th><th scope="col">Objects</th></tr></thead>
      <tbody>${edits.slice(0, 50).map((e) => html`<tr key=${e.number}><td>${e.number}</td><td>${format.clock(e.time, now.value)}</td><td>${e.author || "–"}</td><td><code>${e.method} ${e.path}</code></td><td>${e.objects.join(", ")}</td></tr>`)}</tbody></table></div>
  </section>`;
}

/** Others have changed the same objects since the draft did.
 * @param {{draft: Draft, run: (act: () => Promise<any>) => Promise<void>}} props */
function Conflicts({ draft: d, run }) {
  const conflicts = d.conflicts ?? [];
  return html`<div class="problem conflict" role="alert"><div>
    <p><b>Somebody else has changed ${conflicts.length === 1 ? "an object" : format.count(conflicts.length, "object")} of this draft since.</b> The draft cannot be committed before you choose.</p>
    <ul class="links">${conflicts.map((id) => html`<li key=${id}><a href=${pathOf(id)}>${id}</a></li>`)}</ul>
    <p class="muted">Below, “Now” is what the others made of them, and “Then” what the draft has.</p>
    <p class="actions"><${Button} role="admin" on=${changeable()} onClick=${() => run(() => drop(d.id, conflicts))}>Drop mine, keep theirs</${Button}>
      <${Button} role="admin" on=${changeable()} kind="danger" onClick=${() => run(() => call("POST", `${draftPath(d.id)}/rebase`))}>Rebase: mine replaces theirs</${Button}></p></div></div>`;
}

/** @param {{draft: Draft, onFailure: () => void}} props */
function CommitForm({ draft: d, onFailure }) {
  const [message, setMessage] = useState("");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState(/** @type {Failure|null} */ (null));
  const run = async (/** @type {boolean} */ force) => {
    setBusy(true);
    setError(null);
    try {
      await commit(d.id, { ...(message.trim() ? { message: message.trim() } : {}), ...(force ? { force } : {}) });
      go("/drafts");
    } catch (failure) {
      setError(/** @type {Failure} */ (failure));
      setBusy(false);
      onFailure();
    }
  };
  return html`<form class="panel commit" aria-label="Commit" onSubmit=${(/** @type {Event} */ e) => { e.preventDefault(); void run(false); }} novalidate>
    <${Field} path="message" label="Message" value=${message} onChange=${setMessage} errors=${error?.fields ?? []} placeholder=${d.message || `draft ${d.id}`} />
    <${Button} kind="primary" type="submit" role="admin" on=${changeable()} busy=${busy}>Commit ${format.count(d.objects.length, "edit")}</${Button}>
    <${Problem} error=${error} />
    ${error?.status === 409 && error.by.length === 0 && html`<p class="actions"><${Button} kind="danger" role="admin" on=${changeable()} busy=${busy} onClick=${() => run(true)}>Commit without healthy members</${Button}></p>`}
  </form>`;
}

/** @param {{draft: Draft, onClose: () => void}} props */
function DeleteDraft({ draft: d, onClose }) {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState(/** @type {any} */ (null));
  const remove = async () => {
    setBusy(true);
    try {
      await call("DELETE", draftPath(d.id));
      if (editing.peek()?.id === d.id) leave();
      toast({ kind: "good", text: `Draft ${d.id} is deleted.` });
      go("/drafts");
    } catch (failure) {
      setError(failure);
      setBusy(false);
    }
  };
  return html`<${Dialog} title=${`Delete draft ${d.id}?`} busy=${busy} onClose=${onClose}>
    <div class="body"><p>Its ${format.count(d.objects.length, "pending edit")} ${d.objects.length === 1 ? "is" : "are"} lost. What is in effect stays.</p><${Problem} error=${error} /></div>
    <footer><${Button} disabled=${busy} onClick=${onClose}>Cancel</${Button}><${Button} kind="danger" role="admin" on=${changeable()} busy=${busy} onClick=${remove}>Delete</${Button}></footer>
  </${Dialog}>`;
}
