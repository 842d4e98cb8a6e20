// Dialogs that add, edit and delete raw sections.

import { useEffect, useRef, useState } from "preact/hooks";
import { diff, hunks } from "./diff.js";
import { collected, editing, inDraft } from "./editing.js";
import { Field } from "./fields.js";
import * as format from "./format.js";
import { html } from "./html.js";
import { Button, Dialog, Loading, Problem, sentence, toast } from "./parts.js";
import { address, call, Failure } from "./rest.js";
import { pathOf } from "./router.js";
import { bodyOf, draftOf, errorsOfForm, hasDefaults, isOwn, keyOf, kinds, missingIn, titleOf, unshownIn } from "./sectiontext.js";
import { Hunks } from "./source.js";

/** @typedef {import("./sectiontext.js").Section} Section
 *  @typedef {import("./sectiontext.js").SectionDraft} SectionDraft */

/** @param {{name?: string, all: Section[], onClose: () => void}} props name: the key of the section to edit; absent: add one */
export function SectionDialog({ name, all, onClose }) {
  const [base, setBase] = useState(/** @type {{section: Section, etag: string}|null} */ (null));
  const [draft, setDraft] = useState(/** @type {SectionDraft|null} */ (name ? null : draftOf()));
  const [theirs, setTheirs] = useState(/** @type {{section: Section, etag: string}|null} */ (null));
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState(/** @type {Failure|null} */ (null));
  const read = async (/** @type {string} */ key) => {
    const { data, etag } = await call("GET", inDraft(address("section/" + key)));
    return { section: data, etag };
  };
  const load = async () => {
    try {
      const now = await read(name ?? "");
      setBase(now);
      setDraft(draftOf(now.section));
      setTheirs(null);
      setError(null);
    } catch (failure) {
      setError(/** @type {Failure} */ (failure));
    }
  };
  useEffect(() => {
    if (name) void load();
  }, [name]);
  const save = async (/** @type {string} */ etag) => {
    if (!draft) return;
    setBusy(true);
    setError(null);
    try {
      await put(keyOf(draft), bodyOf(draft), etag ? { "If-Match": etag } : { "If-None-Match": "*" });
      onClose();
    } catch (failure) {
      const f = /** @type {Failure} */ (failure);
      if (f.status === 412 && name) setTheirs(await read(name).catch(() => null));
      setError(f);
      setBusy(false);
    }
  };
  const submit = (/** @type {Event} */ e) => {
    e.preventDefault();
    const empty = draft ? missingIn(draft) : [];
    if (empty.length > 0) setError(new Failure(400, { error: "required fields are missing", fields: empty }));
    else void save(base?.etag ?? "");
  };
  const form = useRef(/** @type {HTMLFormElement|null} */ (null));
  useEffect(() => {
    if (error) reveal(form.current);
  }, [error]);
  const title = (name ? `Edit ${titleOf(name)}` : "New section") + (editing.value ? ` in draft ${editing.value.id}` : "");
  return html`<${Dialog} title=${title} wide busy=${busy} onClose=${onClose}><form ref=${form} onSubmit=${submit} novalidate>
    <div class="body">
      ${!draft ? error ? html`<${Problem} error=${error} onRetry=${load} />` : html`<${Loading} lines=${5} />` : html`
        <${SectionFields} draft=${draft} isNew=${!name} all=${all} error=${error} onChange=${(/** @type {Partial<SectionDraft>} */ part) => setDraft({ ...draft, ...part })} />
        ${theirs ? html`<${Conflict} theirs=${theirs.section} mine=${draft} onTheirs=${load} onMine=${() => save(theirs.etag)} />` : error && html`<${Refused} error=${error} draft=${draft} isNew=${!name} />`}`}</div>
    <footer><${Button} disabled=${busy} onClick=${onClose}>Cancel</${Button}><${Button} kind="primary" type="submit" role="admin" busy=${busy} disabled=${!draft || Boolean(theirs)}>${name ? "Save" : "Add"}</${Button}></footer>
  </form></${Dialog}>`;
}

/** @param {{draft: SectionDraft, isNew: boolean, all: Section[], error: Failure|null, onChange: (part: Partial<SectionDraft>) => void}} props */
function SectionFields({ draft: d, isNew, all, error, onChange }) {
  const errors = errorsOfForm(error?.fields ?? [], d);
  const defaults = all.map((s) => s.key).filter((key) => key.startsWith("defaults/")).map((key) => key.slice("defaults/".length)).filter((name) => d.kind !== "defaults" || name !== d.name);
  const field = (/** @type {"kind"|"name"|"defaults"|"natives"} */ path, /** @type {any} */ rest) =>
    html`<${Field} path=${path} value=${d[path]} errors=${errors} onChange=${(/** @type {string} */ v) => onChange({ [path]: v })} ...${rest} />`;
  return html`${isNew && html`<div class="pair">${field("kind", { label: "Kind", options: kinds })}
      ${!isOwn(d.kind) && field("name", { label: "Name", required: true, placeholder: "staff", hint: "Other lines refer to the section by this name." })}</div>`}
    ${hasDefaults(d.kind) && field("defaults", { label: "Begins with the defaults", options: [["", d.kind === "listen" ? "those of the template" : "none"], ...[...new Set([...defaults, ...(d.defaults ? [d.defaults] : [])])].map((n) => [n, n])] })}
    ${field("natives", { label: "Lines", lines: 12, code: true, hint: "As they stand in haproxy.cfg below the header of the section. HAProxy checks them before they take effect." })}`;
}

/** Brings what is wrong into view.
 * @param {HTMLElement|null} form */
function reveal(form) {
  const field = /** @type {HTMLElement|null|undefined} */ (form?.querySelector("[aria-invalid=true]"));
  field?.focus({ preventScroll: true });
  (field ?? form?.querySelector(".problem"))?.scrollIntoView({ block: field ? "center" : "end" });
}

/** Why nothing was saved; what fields show already is not repeated.
 * @param {{error: Failure, draft: SectionDraft, isNew: boolean}} props */
function Refused({ error, draft, isNew }) {
  if (error.status === 412 && isNew) return html`<${Problem} error=${{ message: `${keyOf(draft)} exists already. Edit it, or choose another name.` }} />`;
  const rest = unshownIn(errorsOfForm(error.fields, draft));
  if (error.fields.length === 0 || error.output) return html`<${Problem} error=${error} />`;
  return html`<div class="problem" role="alert"><div><p>Nothing is saved.</p>${rest.map((e) => html`<p key=${e.path}>${sentence(`${e.path}: ${e.problem}${e.expected ? `; expected ${e.expected}` : ""}`)}</p>`)}</div></div>`;
}

/** Somebody else changed the section while the form was open.
 * @param {{theirs: Section, mine: SectionDraft, onTheirs: () => void, onMine: () => void}} props */
function Conflict({ theirs, mine, onTheirs, onMine }) {
  const lines = hunks(diff(theirs.natives.join("\n"), bodyOf(mine).natives.join("\n")), 3);
  return html`<div class="problem conflict" role="alert"><div>
    <p><b>Somebody else changed this section while the form was open.</b> Your changes are not saved. Yours would change theirs so:</p>
    <${Hunks} lines=${lines} />
    <p class="actions"><${Button} onClick=${onTheirs}>Discard mine, load theirs</${Button}> <${Button} kind="danger" role="admin" onClick=${onMine}>Overwrite theirs with mine</${Button}></p></div></div>`;
}

/** @param {string} key
 * @param {any} body
 * @param {Record<string, string>} headers */
async function put(key, body, headers) {
  const { data } = await call("PUT", inDraft(address("section/" + key)), { body, headers });
  const toDraft = collected(`section/${key}`, data);
  if (toDraft) return toast(toDraft);
  const warnings = (data.warnings ?? []).map(sentence).join(" ");
  toast(data.applied ? { kind: warnings ? "bad" : "good", ...(warnings ? { seconds: 15 } : {}), text: `${titleOf(key)} is in effect (${data.path === "reload" ? "with a reload" : "without a reload"}, ${format.duration(data.durationMs)}). ${warnings}`.trim() }
    : { kind: "bad", text: `${titleOf(key)} is saved, but not in effect yet: ${data.reason}`, seconds: 15 });
}

/** @param {{section: Section, onClose: () => void}} props */
export function DeleteSection({ section: s, onClose }) {
  const [etag, setETag] = useState(""); // of the section that the question is about
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState(/** @type {any} */ (null));
  const path = inDraft(address(s.id));
  useEffect(() => void call("GET", path).then((r) => setETag(r.etag), setError), [path]);
  const run = async () => {
    setBusy(true);
    setError(null);
    try {
      const { data } = await call("DELETE", path, { headers: { "If-Match": etag } });
      toast(collected(`The deletion of ${s.id}`, data) ?? (data.applied ? { kind: "good", text: `${titleOf(s.key)} is deleted.` } : { kind: "bad", text: `${titleOf(s.key)} is deleted, but that is not in effect yet: ${data.reason}` }));
      onClose();
    } catch (failure) {
      setError(failure);
      setBusy(false);
    }
  };
  return html`<${Dialog} title=${`Delete ${titleOf(s.key)}?`} busy=${busy} onClose=${onClose}>
    <div class="body">${editing.value && html`<p><b>In draft ${editing.value.id}: nothing happens before its commit.</b></p>`}
      <p>Its lines are removed from haproxy.cfg. A section that something names cannot be deleted.</p><p class="muted">Revisions keep its lines.</p>
      <${Problem} error=${error} />
      ${error?.by?.length > 0 && html`<ul class="links">${error.by.map((/** @type {string} */ by) => html`<li key=${by}><a href=${pathOf(by)}>${by}</a></li>`)}</ul>`}</div>
    <footer><${Button} disabled=${busy} onClick=${onClose}>Cancel</${Button}><${Button} kind="danger" role="admin" busy=${busy} disabled=${!etag} onClick=${run}>Delete</${Button}></footer></${Dialog}>`;
}
