// Dialogs that create, edit and delete frontends and backends.

import { useEffect, useRef, useState } from "preact/hooks";
import { BackendFields, FrontendFields } from "./objectfields.js";
import { backendBody, backendDraft, changes, frontendBody, frontendDraft, missing, unshown } from "./draft.js";
import { collected, editing, ids, inDraft, mark } from "./editing.js";
import * as format from "./format.js";
import { html } from "./html.js";
import { list, object } from "./live.js";
import { Button, Dialog, Loading, Problem, sentence, toast } from "./parts.js";
import { address, call, Failure, get } from "./rest.js";
import { go, pathOf } from "./router.js";

/** @typedef {"backend"|"frontend"} Kind */

const draftOf = { backend: backendDraft, frontend: frontendDraft };
const bodyOf = /** @type {Record<Kind, (d: any) => any>} */ ({ backend: backendBody, frontend: frontendBody });

/** @param {{kind: Kind, name?: string, onClose: () => void}} props name: of the object to edit; absent: create one */
export function FormDialog({ kind, name, onClose }) {
  const [loaded, setLoaded] = useState(/** @type {{object: any, etag: string}|null} */ (name ? null : { object: undefined, etag: "" }));
  const [draft, setDraft] = useState(/** @type {any} */ (name ? null : draftOf[kind]()));
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState(/** @type {Failure|null} */ (null));
  const [theirs, setTheirs] = useState(/** @type {any} */ (null));
  const load = async () => {
    try {
      const { data, etag } = await call("GET", inDraft(address(`${kind}/${name}`)));
      setLoaded({ object: data, etag });
      setDraft(draftOf[kind](data));
      setTheirs(null);
      setError(null);
    } catch (failure) {
      setError(/** @type {Failure} */ (failure));
    }
  };
  useEffect(() => {
    if (name) void load();
  }, [kind, name]);
  const catalog = useCatalog(kind === "backend");
  const save = async (/** @type {string} */ etag, force = false) => {
    setBusy(true);
    setError(null);
    try {
      await put(kind, name ?? draft.key.trim(), { ...bodyOf[kind](draft), ...(force ? { force } : {}) }, name ? { "If-Match": etag } : { "If-None-Match": "*" });
      onClose();
      if (!name) go(pathOf(`${kind}/${draft.key.trim()}`));
    } catch (failure) {
      const f = /** @type {Failure} */ (failure);
      if (f.status === 412 && name) setTheirs(await call("GET", inDraft(address(`${kind}/${name}`))).catch(() => null));
      setError(f);
    } finally {
      setBusy(false);
    }
  };
  const submit = (/** @type {Event} */ e) => {
    e.preventDefault();
    const empty = missing(kind, draft, !name);
    if (empty.length > 0) setError(new Failure(400, { error: "required fields are missing", fields: empty }));
    else void save(loaded?.etag ?? "");
  };
  const form = useRef(/** @type {HTMLFormElement|null} */ (null));
  useEffect(() => {
    if (error) reveal(form.current);
  }, [error]);
  const title = (name ? `Edit ${kind} ${name}` : `New ${kind}`) + (editing.value ? ` in draft ${editing.value.id}` : "");
  const taken = error?.status === 412 && !name;
  const errors = taken ? [{ path: "key", problem: `a ${kind} with this name already exists` }] : error?.fields ?? [];
  const Fields = /** @type {any} */ (kind === "backend" ? BackendFields : FrontendFields);
  return html`<${Dialog} title=${title} wide busy=${busy} onClose=${onClose}>
    <form ref=${form} onSubmit=${submit} novalidate>
      <div class="body">
        ${!draft ? error ? html`<${Problem} error=${error} onRetry=${load} />` : html`<${Loading} lines=${5} />` : html`
          <${Fields} draft=${draft} isNew=${!name} errors=${errors} onChange=${(/** @type {any} */ part) => setDraft({ ...draft, ...part })}
            services=${servicesOf()} catalog=${catalog} backends=${keysOf("backends")} />
          ${theirs ? html`<${Conflict} kind=${kind} base=${loaded?.object} theirs=${theirs} mine=${draft} onTheirs=${load} onMine=${() => save(theirs.etag)} />`
            : error && !taken && html`<${Refused} kind=${kind} error=${error} />`}
          ${kind === "backend" && error?.status === 409 && html`<p class="actions">A frontend uses this backend. Without members it answers with 503.
            <${Button} kind="danger" role="admin" on=${`${kind}/${name ?? ""}`} busy=${busy} onClick=${() => save(loaded?.etag ?? "", true)}>Save without members</${Button}></p>`}`}
      </div>
      <footer><${Button} disabled=${busy} onClick=${onClose}>Cancel</${Button}>
        <${Button} kind="primary" type="submit" role="admin" on=${`${kind}/${name ?? ""}`} busy=${busy} disabled=${!draft || Boolean(theirs)}>${name ? "Save" : "Create"}</${Button}></footer>
    </form>
  </${Dialog}>`;
}

/** Brings what is wrong into view: the first field that is not valid, else the message.
 * @param {HTMLElement|null} form */
function reveal(form) {
  const field = /** @type {HTMLElement|null|undefined} */ (form?.querySelector("[aria-invalid=true]"));
  field?.closest("details")?.setAttribute("open", "");
  field?.focus({ preventScroll: true });
  (field ?? form?.querySelector(".problem"))?.scrollIntoView({ block: field ? "center" : "end" });
}

/** Why nothing was saved. What fields show already is not repeated.
 * @param {{kind: Kind, error: Failure}} props */
function Refused({ kind, error }) {
  const rest = unshown(kind, error.fields);
  if (error.fields.length === 0 || error.output) return html`<${Problem} error=${error} />`;
  const marked = error.fields.length - rest.length;
  return html`<div class="problem" role="alert"><div>
    ${marked > 0 && html`<p>Nothing is saved. ${format.count(marked, "field")} ${marked === 1 ? "needs" : "need"} a correction; the messages are at the fields.</p>`}
    ${rest.map((e) => html`<p key=${e.path}>${sentence(`${e.path}: ${e.problem}${e.expected ? `; expected ${e.expected}` : ""}`)}</p>`)}
  </div></div>`;
}

/** @param {Kind} kind
 * @param {string} key
 * @param {any} body
 * @param {Record<string, string>} headers */
async function put(kind, key, body, headers) {
  const { data } = await call("PUT", inDraft(address(`${kind}/${key}`)), { body, headers });
  const toDraft = collected(`${kind}/${key}`, data);
  if (toDraft) return toast(toDraft);
  const took = format.duration(data.durationMs);
  const warnings = (data.warnings ?? []).map(sentence).join(" ");
  toast(data.applied ? { kind: warnings ? "bad" : "good", ...(warnings ? { seconds: 15 } : {}), text: `${kind}/${key} is in effect (${{ none: "no change was necessary", runtime: "without a reload", reload: "with a reload" }[/** @type {string} */ (data.path)] ?? data.path}, ${took}). ${warnings}`.trim() }
    : { kind: "bad", text: `${kind}/${key} is saved, but not in effect yet: ${data.reason}`, seconds: 15 });
}

/** The names of all services in Consul, for suggestions; empty until they are known.
 * @param {boolean} wanted
 * @returns {string[]} */
function useCatalog(wanted) {
  const [names, setNames] = useState(/** @type {string[]} */ ([]));
  useEffect(() => {
    if (!wanted) return undefined;
    const stop = new AbortController();
    get("/catalog", stop.signal).then((c) => setNames(c.services), () => {}); // without it, the watched services are suggested
    return () => stop.abort();
  }, [wanted]);
  return names;
}

/** @param {"frontends"|"backends"} topic */
function keysOf(topic) {
  return (ids(topic) ?? []).filter((id) => mark(id) !== "deleted").map((id) => id.slice(id.indexOf("/") + 1)).sort();
}

/** @returns {import("./types.js").Service[]} */
function servicesOf() {
  return (list("services").value ?? []).map((id) => object(id).value).filter(Boolean);
}

/** Somebody else changed the object while the form was open.
 * @param {{kind: Kind, base: any, theirs: {data: any}, mine: any, onTheirs: () => void, onMine: () => void}} props */
function Conflict({ kind, base, theirs, mine, onTheirs, onMine }) {
  const body = (/** @type {any} */ o) => bodyOf[kind](draftOf[kind](o));
  const done = changes(body(base), body(theirs.data));
  const table = (/** @type {{field: string, before: string, after: string}[]} */ rows) => html`<div class="scroll" tabindex="0" role="region" aria-label="Changes"><table>
    <thead><tr><th scope="col">Field</th><th scope="col">Before</th><th scope="col">Now</th></tr></thead>
    <tbody>${rows.map((r) => html`<tr key=${r.field}><th scope="row">${r.field}</th><td><code>${r.before}</code></td><td><code>${r.after}</code></td></tr>`)}</tbody></table></div>`;
  return html`<div class="problem conflict" role="alert"><div>
    <p><b>Somebody else changed this ${kind} while the form was open.</b> Your changes are not saved.</p>
    ${done.length ? table(done) : html`<p class="muted">No field differs from what you opened.</p>`}
    <p>Saving yours would change: ${changes(body(theirs.data), bodyOf[kind](mine)).map((c) => c.field).join(", ") || "nothing"}.</p>
    <p class="actions"><${Button} onClick=${onTheirs}>Discard mine, load theirs</${Button}> <${Button} kind="danger" role="admin" on=${theirs.data.id} onClick=${onMine}>Overwrite theirs with mine</${Button}></p>
  </div></div>`;
}

/** @param {{id: string, onClose: () => void}} props */
export function DeleteDialog({ id, onClose }) {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState(/** @type {any} */ (null));
  // The ETag of the object shown: it may change while the dialog is open.
  const [etag] = useState(() => (mark(id) ? undefined : object(id).peek()?.etag)); // a draft has tags of its own
  const remove = async () => {
    setBusy(true);
    setError(null);
    try {
      const { data } = await call("DELETE", inDraft(address(id)), { headers: etag ? { "If-Match": etag } : {} });
      toast(collected(`The deletion of ${id}`, data) ?? { kind: "good", text: `${id} is deleted.` });
      go("/overview");
    } catch (failure) {
      setError(failure);
      setBusy(false);
    }
  };
  const kind = id.split("/")[0];
  return html`<${Dialog} title=${`Delete ${id}?`} busy=${busy} onClose=${onClose}>
    <div class="body">${editing.value && html`<p><b>In draft ${editing.value.id}: nothing happens before its commit.</b></p>`}<p>${kind === "frontend" ? "HAProxy stops listening at its addresses. Open connections are not interrupted." : "The backend is removed from haproxy.cfg. A backend that a frontend uses cannot be deleted."}</p>
      <p class="muted">Activity and revisions keep its last definition.</p>
      <${Problem} error=${error} />
      ${error?.by?.length > 0 && html`<ul class="links">${error.by.map((/** @type {string} */ by) => html`<li key=${by}><a href=${pathOf(by)}>${by}</a></li>`)}</ul>`}</div>
    <footer><${Button} disabled=${busy} onClick=${onClose}>Cancel</${Button}><${Button} kind="danger" role="admin" on=${id} busy=${busy} onClick=${remove}>Delete</${Button}></footer>
  </${Dialog}>`;
}
