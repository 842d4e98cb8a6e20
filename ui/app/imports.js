// Pasts of clusters that came in files: which one is shown, and a dialog to import one.

import { useState } from "preact/hooks";
import { Field } from "./fields.js";
import * as format from "./format.js";
import { html } from "./html.js";
import { now } from "./live.js";
import { Button, Dialog, Problem, toast } from "./parts.js";
import { imported } from "./pastplace.js";
import { call, Failure } from "./rest.js";
import { query } from "./router.js";
import { refusal } from "./session.js";

/** @typedef {import("./types.js").ImportedHistory} ImportedHistory
 *  @typedef {import("./types.js").FieldError} FieldError */

/** What an import is called.
 * @param {ImportedHistory} i */
function nameOf(i) {
  return `${i.cluster || i.nodes.join(", ") || i.name}, ${format.clock(i.from, now.peek())}`;
}

/** Shows another past from its beginning.
 * @param {string} id empty: that of this cluster */
const show = (id) => query({ import: id, id: null, at: null, job: null, node: null, resource: null, tag: null, author: null });

/** What is shown, with the buttons that export and import.
 * @param {{list: ImportedHistory[], onChange: () => void}} props list: the imports */
export function Sources({ list, onChange }) {
  const [open, setOpen] = useState(false);
  const [exporting, setExporting] = useState(false);
  const id = imported();
  return html`${list.length > 0 && html`<label class="choice"><span class="muted">Past of</span> <select aria-label="Past of" value=${id} onChange=${(/** @type {any} */ e) => show(e.target.value)}>
      <option value="">this cluster</option>${list.map((i) => html`<option key=${i.id} value=${i.id} selected=${i.id === id}>${nameOf(i)}</option>`)}</select></label>`}
    <span class="grow"></span>
    ${!id && (refusal("operate") ? html`<${Button} role="operate">Export…</${Button}>` : html`<${Button} onClick=${() => setExporting(true)}>Export…</${Button}>`)}
    <${Button} onClick=${() => setOpen(true)}>Import</${Button}>
    ${exporting && html`<${Export} onClose=${() => setExporting(false)} />`}
    ${open && html`<${Imports} list=${list} onChange=${onChange} onClose=${() => setOpen(false)} />`}`;
}

const hour = 3_600_000;

/** The intervals that can be exported by their names, in milliseconds. */
const intervals = /** @type {[string, string, number][]} */ ([["1", "The last hour", hour], ["24", "The last 24 hours", 24 * hour], ["168", "The last 7 days", 168 * hour], ["all", "Everything that is kept", 0], ["own", "Between two times", 0]]);

/** Asks which interval goes into the file.
 * @param {{onClose: () => void}} props */
function Export({ onClose }) {
  const [choice, setChoice] = useState("1");
  const [from, setFrom] = useState("");
  const [to, setTo] = useState("");
  const lasts = intervals.find(([v]) => v === choice)?.[2] ?? 0;
  /** @type {FieldError[]} */
  const errors = [["from", from], ["to", to]].filter(([, v]) => v && Number.isNaN(Date.parse(v))).map(([path]) => ({ path, problem: "is not a time", expected: "such as 2026-11-29 13:00" }));
  if (errors.length === 0 && from && to && Date.parse(from) >= Date.parse(to)) errors.push({ path: "to", problem: "is not after the beginning" });
  const address = () => {
    const q = new URLSearchParams();
    if (lasts > 0) q.set("from", new Date(Date.now() - lasts).toISOString());
    if (choice === "own" && errors.length === 0 && from) q.set("from", new Date(from).toISOString());
    if (choice === "own" && errors.length === 0 && to) q.set("to", new Date(to).toISOString());
    const text = q.toString();
    return `/cluster/history/export${text && "?" + text}`;
  };
  const click = (/** @type {any} */ e) => {
    e.currentTarget.href = address(); // an hour before now, not before the dialog was opened
    setTimeout(onClose);
  };
  const wrong = choice === "own" && errors.length > 0;
  return html`<${Dialog} title="Export the history" onClose=${onClose}><div class="body">
      <${Field} path="interval" label="Interval" value=${choice} errors=${[]} options=${intervals.map(([v, words]) => [v, words])} onChange=${setChoice} />
      ${choice === "own" && html`<${Field} path="from" label="From" value=${from} errors=${errors} placeholder="2026-11-29 13:00" hint="In this browser's time zone. Empty: from the beginning." onChange=${setFrom} />
        <${Field} path="to" label="To" value=${to} errors=${errors} placeholder="2026-11-29 14:00" hint="Empty: until now." onChange=${setTo} />`}
      <p class="muted">A .tar.gz with the transitions, their decisions, the lines of logs around them, and the jobs. It has no secrets. <i>Import</i> of any agent shows it again.</p></div>
    <footer><${Button} onClick=${onClose}>Cancel</${Button}>
      ${wrong ? html`<${Button} kind="primary" disabled>Export</${Button}>` : html`<a class="button primary" href=${address()} download data-plain onClick=${click}>Export</a>`}</footer></${Dialog}>`;
}

/** A band that says that another past is shown.
 * @param {{list: ImportedHistory[]}} props */
export function Band({ list }) {
  const id = imported();
  const i = list.find((one) => one.id === id);
  if (!id) return null;
  const from = i && `${i.kind === "report" ? "from a report" : "from an export"}${i.by ? `, imported by ${i.by}` : ""} at ${format.clock(i.imported, now.peek())}`;
  return html`<section class="strip past foreign" aria-label="Imported" role="note">
    <span><b>This is an imported past${i ? ` of ${i.cluster || "a cluster"}, not this cluster's` : ""}.</b> <span class="muted">${i ? `Nodes ${i.nodes.join(", ") || "unknown"}, ${from}.` : ""}</span>
      ${i && i.notes.length > 0 && html`<span class="muted"> ${i.notes.map((n) => n + ".").join(" ")}</span>`}</span>
    <span class="grow"></span><${Button} onClick=${() => show("")}>Back to this cluster</${Button}></section>`;
}

/** @param {{list: ImportedHistory[], onChange: () => void, onClose: () => void}} props */
function Imports({ list, onChange, onClose }) {
  const [file, setFile] = useState(/** @type {File|null} */ (null));
  const [busy, setBusy] = useState("");
  const [error, setError] = useState(/** @type {Failure|null} */ (null));
  const act = async (/** @type {string} */ what, /** @type {() => Promise<void>} */ request) => {
    setBusy(what);
    setError(null);
    try {
      await request();
    } catch (failure) {
      setError(/** @type {Failure} */ (failure));
    }
    setBusy("");
    onChange();
  };
  const choose = (/** @type {any} */ e) => {
    setFile(e.target.files[0] ?? null);
    setError(null);
  };
  const send = (/** @type {Event} */ e) => {
    e.preventDefault();
    if (!file || refusal("admin")) return;
    act("file", async () => {
      const { data } = await call("POST", "/cluster/history/imports", { file });
      toast({ kind: "good", text: `${format.count(data.transitions, "transition")} imported.` });
      show(data.id);
      onClose();
    });
  };
  const remove = (/** @type {ImportedHistory} */ i) => act(i.id, async () => {
    await call("DELETE", `/cluster/history/imports/${i.id}`);
    if (imported() === i.id) show("");
  });
  return html`<${Dialog} wide title="Imported histories" busy=${Boolean(busy)} onClose=${onClose}><form onSubmit=${send} novalidate>
    <div class="body">
      <div class="field"><label for="f-history">File</label>
        <input id="f-history" type="file" accept=".gz,.tgz,.bz2,.tar" onChange=${choose} />
        <p class="hint">An export of Thalassa, or what crm report has made: .tar.gz or .tar.bz2.</p></div>
      ${error && html`<${Problem} error=${error} />`}
      ${list.length > 0 && html`<ul class="plain links" aria-label="Imports">${list.map((i) => html`<li key=${i.id}>
        <b>${nameOf(i)}</b> <span class="muted">${format.count(i.transitions, "transition")}, ${format.count(i.logLines, "log line")}, ${format.bytes(i.bytes)}</span>
        <${Button} role="admin" kind="quiet" label=${`Remove ${nameOf(i)}`} busy=${busy === i.id} onClick=${() => remove(i)}>Remove</${Button}></li>`)}</ul>`}</div>
    <footer><${Button} disabled=${Boolean(busy)} onClick=${onClose}>Close</${Button}><${Button} kind="primary" type="submit" role="admin" disabled=${!file} busy=${busy === "file"}>Import</${Button}></footer>
  </form></${Dialog}>`;
}
