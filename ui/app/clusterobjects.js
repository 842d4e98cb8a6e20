// The objects of the cluster's configuration, of each kind, at once or in a draft.

import { useState } from "preact/hooks";
import { BatchBar, NewClusterDraft } from "./clusterdraft.js";
import { ObjectDialog, objectPath } from "./clusterform.js";
import { schema } from "./clusterschema.js";
import { chosenView, ConfigurationGraph, PastConfiguration, ViewTabs, WholeText } from "./clusterviews.js";
import { WizardDialog } from "./clusterwizard.js";
import { constraintWords, resourcePath, weight } from "./clusterwords.js";
import { Choice, Field } from "./fields.js";
import { html } from "./html.js";
import { object } from "./live.js";
import { useLoaded } from "./loaded.js";
import { Button, Dialog, Empty, Loading, Problem, Title, toast } from "./parts.js";
import { call, get } from "./rest.js";
import { query, route } from "./router.js";
import { refusal } from "./session.js";

/** @typedef {import("./types.js").ClusterDraft} ClusterDraft
 *  @typedef {Record<string, any>} Doc
 *  @typedef {{kind: string, id: string, how: "delete"|"rename"|"copy"}} Asked */

const kinds = Object.keys(schema);
const resources = ["primitives", "groups", "clones", "bundles"];

export function ObjectsPage() {
  const cluster = object("cluster").value;
  const q = route.value.query;
  const draft = q.get("draft") ?? "";
  const inDraft = draft ? `?draft=${encodeURIComponent(draft)}` : "";
  const view = chosenView();
  const kind = kinds.includes(q.get("kind") ?? "") ? /** @type {string} */ (q.get("kind")) : "primitives";
  const [turn, setTurn] = useState(0);
  const [asked, setAsked] = useState(/** @type {Asked|null} */ (null));
  const epoch = cluster ? String(cluster.epoch).split(":").slice(0, 2).join(":") : "";
  const drafts = useLoaded(cluster ? `drafts ${epoch} ${turn}` : null, (signal) => get("/cluster/drafts", signal));
  const found = useLoaded(cluster ? `objects ${epoch} ${draft} ${turn}` : null, (signal) => get(`/cluster/config${inDraft}`, signal));
  const again = () => setTurn((n) => n + 1);
  const crumbs = html`<nav class="crumbs" aria-label="Breadcrumb"><a href="/cluster">Cluster</a></nav>`;
  const past = q.get("past");
  if (past) return html`${crumbs}<div class="head"><${Title}>Configuration</${Title}></div><${PastConfiguration} id=${past} />`;
  if (!cluster) return html`${crumbs}<div class="head"><${Title}>Configuration</${Title}></div><${Empty} title="This node is not in a cluster" />`;
  /** @type {ClusterDraft[]} */
  const list = drafts.data ?? [];
  const current = list.find((d) => d.id === draft);
  /** @type {Doc[]} */
  const docs = found.data?.[kind] ?? [];
  const edited = q.get("edit");
  return html`${crumbs}<div class="head"><${Title}>Configuration</${Title}><span class="grow"></span>
      <${Button} role="admin" onClick=${() => query({ wizard: "1" })}>Wizard…</${Button}>
      ${view === "table" && kind !== "nodes" && html`<${Button} role="admin" icon="plus" onClick=${() => query({ edit: "" , new: "1" })}>New ${schema[kind].title}</${Button}>`}</div>
    <${ViewTabs} chosen=${view} />
    <div class="toolbar">
      ${view === "table" && html`<label class="choice"><span class="muted">Kind</span> <select aria-label="Kind" value=${kind} onChange=${(/** @type {any} */ e) => query({ kind: e.target.value })}>${kinds.map((k) => html`<option key=${k} value=${k} selected=${k === kind}>${k} (${(found.data?.[k] ?? []).length})</option>`)}</select></label>`}
      <label class="choice"><span class="muted">Changes</span> <select aria-label="Changes" value=${draft} onChange=${(/** @type {any} */ e) => (e.target.value === "+" ? query({ begin: "1" }) : query({ draft: e.target.value }))}>
        <option value="" selected=${draft === ""}>take effect at once</option>${list.map((d) => html`<option key=${d.id} value=${d.id} selected=${d.id === draft}>go to draft ${d.id}</option>`)}${!refusal("admin") && html`<option value="+">go to a new draft…</option>`}</select></label>
    </div>
    ${current && html`<${BatchBar} draft=${current} busy=${false} problem="" onGone=${() => { query({ draft: null }); again(); }} onChanged=${again} link=${`/simulator?draft=${encodeURIComponent(draft)}`} />`}
    <${Problem} error=${found.error ?? drafts.error} onRetry=${again} />
    ${!found.data && !found.error && html`<${Loading} lines=${5} />`}
    ${view === "text" || view === "xml" ? html`<${WholeText} key=${view} view=${view} path=${`/cluster/config.${view === "xml" ? "xml" : "crm"}${inDraft}`} version=${`${epoch} ${turn}`} />`
      : found.data && (view === "graph" ? html`<${ConfigurationGraph} all=${found.data} />` : html`<${Objects} kind=${kind} docs=${docs} onAsk=${setAsked} />`)}
    ${(edited || q.get("new") !== null) && html`<${ObjectDialog} key=${kind + edited + draft} kind=${kind} id=${edited ?? ""} draft=${draft} onClose=${(/** @type {boolean} */ changed) => { query({ edit: null, new: null }); if (changed) again(); }}
      onAsk=${(/** @type {Asked["how"]} */ how) => { query({ edit: null, new: null }); setAsked({ kind, id: edited ?? "", how }); }} />`}
    ${q.get("wizard") !== null && html`<${WizardDialog} draft=${draft} onClose=${() => query({ wizard: null })} />`}
    ${asked && html`<${Ask} key=${asked.how + asked.id} asked=${asked} draft=${draft} onClose=${(/** @type {boolean} */ changed) => { setAsked(null); if (changed) again(); }} />`}
    ${q.get("begin") !== null && html`<${NewClusterDraft} onClose=${(/** @type {string} */ id) => { query({ begin: null, ...(id ? { draft: id } : {}) }); again(); }} />`}`;
}

/** @param {{kind: string, docs: Doc[], onAsk: (a: Asked) => void}} props */
function Objects({ kind, docs, onAsk }) {
  if (docs.length === 0) return html`<${Empty} title=${`No ${schema[kind].title}`} />`;
  return html`<section class="panel" aria-label="Objects"><div class="scroll" tabindex="0" role="region" aria-label=${`Table of ${kind}`}><table>
    <thead><tr><th scope="col">ID</th><th scope="col">Is</th><th scope="col">Actions</th></tr></thead>
    <tbody>${docs.map((o) => html`<tr key=${o.id}><th scope="row">${resources.includes(kind) ? html`<a href=${resourcePath(o.id)}>${o.id}</a>` : kind === "nodes" ? o.uname ?? o.id : o.id}</th><td>${words(kind, o)}</td>
      <td><div class="button-line"><${Button} kind="quiet" icon="edit" role="admin" label=${`Edit ${o.id}`} onClick=${() => query({ edit: o.id })} />
        ${kind !== "nodes" && html`<${Button} kind="link" role="admin" label=${`Copy ${o.id}`} onClick=${() => onAsk({ kind, id: o.id, how: "copy" })}>Copy</${Button}>
        <${Button} kind="link" role="admin" label=${`Rename ${o.id}`} onClick=${() => onAsk({ kind, id: o.id, how: "rename" })}>Rename</${Button}>
        <${Button} kind="quiet" icon="trash" role="admin" label=${`Delete ${o.id}`} onClick=${() => onAsk({ kind, id: o.id, how: "delete" })} />`}</div></td></tr>`)}</tbody></table></div></section>`;
}

/** An object in one line.
 * @param {string} kind
 * @param {Doc} o */
export function words(kind, o) {
  if (["locations", "colocations", "orders", "tickets"].includes(kind)) return `${constraintWords(kind, o)}${weight(kind, o) ? `: ${weight(kind, o)}` : ""}`;
  const list = (/** @type {Doc|undefined} */ v) => Object.entries(v ?? {}).map(([k, x]) => `${k}=${x}`).join(" ");
  return [o.agent ?? (o.template && `template ${o.template}`), (o.members ?? []).join(", "), o.member, o.path, (o.objects ?? o.roles ?? []).join(", "), o.devices && `${o.target ?? o["target-pattern"] ?? o["target-attribute"]}: level ${o.index}: ${o.devices}`,
    (o.permissions ?? []).map((/** @type {Doc} */ p) => `${p.kind} ${p.xpath ?? p.reference ?? p["object-type"] ?? ""}`).join("; "), list(o.params), list(o.values), list(o.attributes)].filter(Boolean).join(" · ");
}

/** Asks before an object is deleted, renamed or copied.
 * @param {{asked: Asked, draft: string, onClose: (changed: boolean) => void}} props */
function Ask({ asked: a, draft, onClose }) {
  const [to, setTo] = useState(a.how === "copy" ? `${a.id}-2` : a.id);
  const [cascade, setCascade] = useState(false);
  const [seen, setSeen] = useState(/** @type {string[]|null} */ (null));
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState(/** @type {any} */ (null));
  const run = async (/** @type {Event} */ e) => {
    e.preventDefault();
    const dryRun = !draft && !seen;
    setBusy(true);
    setError(null);
    try {
      const [path, rest] = objectPath(a.kind, a.id, draft, { ...(dryRun ? { dryRun: "1" } : {}), ...(a.how === "delete" && cascade ? { cascade: "1" } : {}) }).split("?");
      const { data } = await (a.how === "delete" ? call("DELETE", path + (rest ? `?${rest}` : "")) : call("POST", `${path}/${a.how}${rest ? `?${rest}` : ""}`, { body: { to: to.trim() } }));
      if (dryRun) return setSeen([...(data.changes ?? []), ...(data.simulation?.text ?? []).map((/** @type {string} */ s) => `Pacemaker ${s}`)]);
      const done = { delete: "is deleted", rename: `is ${to.trim()} now`, copy: `is copied to ${to.trim()}` }[a.how];
      toast({ kind: "good", text: draft ? `${a.kind}/${a.id} ${done} in draft ${draft}.` : `${a.kind}/${a.id} ${done}.` });
      onClose(true);
    } catch (failure) {
      setError(failure);
    } finally {
      setBusy(false);
    }
  };
  const verb = { delete: "Delete", rename: "Rename", copy: "Copy" }[a.how];
  return html`<${Dialog} title=${`${verb} ${a.kind}/${a.id}${draft ? ` in draft ${draft}` : ""}?`} busy=${busy} onClose=${() => onClose(false)}><form onSubmit=${run} novalidate><div class="body">
    ${a.how === "delete" ? html`<${Choice} path="cascade" label="Also remove the constraints and entries that name it" checked=${cascade} errors=${[]} onChange=${(/** @type {boolean} */ v) => { setCascade(v); setSeen(null); }} />`
      : html`<${Field} path="to" label="New ID" value=${to} errors=${error?.fields ?? []} onChange=${(/** @type {string} */ v) => { setTo(v); setSeen(null); }} hint=${a.how === "rename" ? "Everything that names it follows." : undefined} />`}
    ${seen && html`<p class="muted">What it would do:</p><ul class="consequences">${seen.map((s) => html`<li key=${s}>${s}</li>`)}</ul>`}
    <${Problem} error=${error} />${(error?.by ?? []).length > 0 && html`<ul class="links">${error.by.map((/** @type {string} */ by) => html`<li key=${by}>${by}</li>`)}</ul>`}</div>
    <footer><${Button} disabled=${busy} onClick=${() => onClose(false)}>Cancel</${Button}><${Button} kind=${a.how === "delete" ? "danger" : "primary"} type="submit" role="admin" busy=${busy}>${draft || seen ? verb : "Preview"}</${Button}></footer></form></${Dialog}>`;
}
