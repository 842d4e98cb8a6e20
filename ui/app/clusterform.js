// The form of one object of the cluster's configuration, of any kind.

import { useEffect, useRef, useState } from "preact/hooks";
import { docOf, formOf, schema } from "./clusterschema.js";
import { changes } from "./draft.js";
import { errorsOf, Field, More, Repeated } from "./fields.js";
import { html } from "./html.js";
import { Button, Dialog, Loading, Problem, sentence, toast } from "./parts.js";
import { call, get } from "./rest.js";

/** @typedef {import("./clusterschema.js").Shown} Shown
 *  @typedef {import("./clusterschema.js").Doc} Doc
 *  @typedef {import("./types.js").FieldError} FieldError
 *  @typedef {import("./types.js").ClusterAgent} ClusterAgent */

/** The path of an object in the API, in a draft if there is one.
 * @param {string} kind
 * @param {string} id
 * @param {string} draft
 * @param {Record<string, string>} [query] */
export function objectPath(kind, id, draft, query = {}) {
  const q = new URLSearchParams({ ...(draft ? { draft } : {}), ...query }).toString();
  return `/cluster/config/${kind}/${encodeURIComponent(id)}${q && "?" + q}`;
}

/** @param {{kind: string, id: string, draft: string, onClose: (changed: boolean) => void}} props id: empty: a new object; draft: empty: changes take effect at once */
export function ObjectDialog({ kind, id, draft, onClose }) {
  const [loaded, setLoaded] = useState(/** @type {{doc: Doc, etag: string}|null} */ (id ? null : { doc: {}, etag: "" }));
  const [form, setForm] = useState(/** @type {Doc|null} */ (id ? null : formOf(kind, {})));
  const [name, setName] = useState(id);
  const [seen, setSeen] = useState(/** @type {any} */ (null)); // what the change would do
  const [theirs, setTheirs] = useState(/** @type {{doc: Doc, etag: string}|null} */ (null));
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState(/** @type {any} */ (null));
  const load = async () => {
    try {
      const { data, etag } = await call("GET", objectPath(kind, id, draft));
      setLoaded({ doc: data, etag });
      setForm(formOf(kind, data));
      setTheirs(null);
      setError(null);
    } catch (failure) {
      setError(failure);
    }
  };
  useEffect(() => {
    if (id) void load();
  }, []);
  const agent = useAgent(form?.agent ?? "");
  const change = (/** @type {Doc} */ part) => {
    setForm({ ...form, ...part });
    setSeen(null);
  };
  const send = async (/** @type {string} */ etag, /** @type {boolean} */ dryRun) => {
    setBusy(true);
    setError(null);
    try {
      const headers = /** @type {Record<string, string>} */ (id ? { "If-Match": etag } : { "If-None-Match": "*" });
      const { data } = await call("PUT", objectPath(kind, name.trim(), draft, dryRun ? { dryRun: "1" } : {}), { body: docOf(kind, /** @type {Doc} */ (form)), headers });
      if (dryRun) return setSeen(data);
      toast({ kind: "good", text: draft ? `${kind}/${name.trim()} is in draft ${draft}. Nothing is in effect yet.` : `${kind}/${name.trim()} is saved, and the cluster has settled.` });
      onClose(true);
    } catch (failure) {
      const f = /** @type {any} */ (failure);
      if (f.status === 412 && id) {
        const now = await call("GET", objectPath(kind, id, draft)).catch(() => null);
        if (now) setTheirs({ doc: now.data, etag: now.etag });
      }
      setError(f instanceof SyntaxError ? { message: "not saved", fields: [{ path: "rest", problem: f.message, expected: "a JSON object" }] } : f);
    } finally {
      setBusy(false);
    }
  };
  const submit = (/** @type {Event} */ e) => {
    e.preventDefault();
    if (name.trim() === "") setError({ message: "not saved", fields: [{ path: "id", problem: "is missing" }] });
    else void send(loaded?.etag ?? "", !draft && !seen);
  };
  const element = useRef(/** @type {HTMLFormElement|null} */ (null));
  useEffect(() => {
    const bad = /** @type {HTMLElement|null|undefined} */ (error && element.current?.querySelector("[aria-invalid=true]"));
    bad?.closest("details")?.setAttribute("open", "");
    (bad ?? element.current?.querySelector(".problem"))?.scrollIntoView({ block: "center" });
  }, [error, seen]);
  const taken = error?.status === 412 && !id;
  /** @type {FieldError[]} */
  const errors = taken ? [{ path: "id", problem: "is taken by another object of this kind" }] : error?.fields ?? [];
  const title = (id ? `Edit ${schema[kind].title} ${id}` : `New ${schema[kind].title}`) + (draft ? ` in draft ${draft}` : "");
  return html`<${Dialog} title=${title} wide busy=${busy} onClose=${() => onClose(false)}><form ref=${element} onSubmit=${submit} novalidate>
    <div class="body">${!form ? error ? html`<${Problem} error=${error} onRetry=${load} />` : html`<${Loading} lines=${5} />` : html`
      ${!id && html`<${Field} path="id" label="ID" required value=${name} errors=${errors} onChange=${(/** @type {string} */ v) => { setName(v); setSeen(null); }} hint="Letters, digits and . _ - beginning with a letter or _" />`}
      ${agent && html`<${Help} agent=${agent} />`}
      <${Fields} fields=${schema[kind].fields} form=${form} at="" errors=${errors} agent=${agent} onChange=${change} />
      <${More} title="Everything else, as JSON" open=${form.rest !== "" && errorsOf(errors, "rest").length > 0}>
        <${Field} path="rest" label="Fields that the form does not draw" lines=${6} code value=${form.rest} errors=${errors} onChange=${(/** @type {string} */ rest) => change({ rest })} hint="They are kept as they are unless you change them." /></${More}>
      ${theirs ? html`<${Conflict} base=${loaded?.doc ?? {}} theirs=${theirs} mine=${form} kind=${kind} onTheirs=${load} onMine=${() => send(theirs.etag, false)} />` : error && !taken && html`<${Refused} error=${error} />`}
      ${seen && html`<${Preview} seen=${seen} />`}
      ${busy && !draft && html`<p role="status" class="muted">${seen ? "Waiting for the cluster to settle…" : "Asking Pacemaker…"}</p>`}`}</div>
    <footer><${Button} disabled=${busy} onClick=${() => onClose(false)}>Cancel</${Button}>
      <${Button} kind="primary" type="submit" role="admin" busy=${busy} disabled=${!form || Boolean(theirs)}>${draft ? "Add to the draft" : seen ? "Save" : "Preview"}</${Button}></footer>
  </form></${Dialog}>`;
}

/** What an agent says of itself, if it is installed.
 * @param {string} name
 * @returns {ClusterAgent|null} */
export function useAgent(name) {
  const [agent, setAgent] = useState(/** @type {ClusterAgent|null} */ (null));
  useEffect(() => {
    setAgent(null);
    if (!/^(ocf:[\w.-]+|stonith|systemd|lsb):[\w.@/-]+$/.test(name)) return undefined;
    const stop = new AbortController();
    const timer = setTimeout(() => get(`/cluster/agents/${encodeURIComponent(name)}`, stop.signal).then(setAgent, () => {}), 300); // one that is not here may be on another node
    return () => { clearTimeout(timer); stop.abort(); };
  }, [name]);
  return agent;
}

/** @param {{agent: ClusterAgent}} props */
export function Help({ agent: a }) {
  const required = a.parameters.filter((p) => p.required).map((p) => p.name);
  return html`<details class="more-fields help"><summary>${a.agent}: ${a.shortDescription || "parameters"}</summary><div>
    ${a.longDescription && html`<p class="hint">${a.longDescription}</p>`}${required.length > 0 && html`<p class="hint">Required: <b>${required.join(", ")}</b></p>`}
    <ul class="links">${a.parameters.map((p) => html`<li key=${p.name}><code>${p.name}</code> <span class="hint">${parameterWords(p)}</span></li>`)}</ul></div></details>`;
}

/** @param {import("./types.js").AgentParameter} p */
function parameterWords(p) {
  const is = [p.required && "required", p.unique && "unique", p.deprecated && "deprecated", p.secret && "secret", p.default && `default ${p.default}`, p.options?.join(" or "), p.type !== "string" && p.type].filter(Boolean).join(", ");
  return (p.shortDescription ?? "").replace(/\s+/g, " ") + (is && ` (${is})`);
}

/** @param {{fields: Shown[], form: Doc, at: string, errors: FieldError[], agent?: ClusterAgent|null, onChange: (part: Doc) => void}} props at: the path of the object that has the fields */
function Fields({ fields, form, at, errors, agent, onChange }) {
  return html`${fields.map((f) => {
    const path = at ? `${at}.${f.name}` : f.name;
    const set = (/** @type {any} */ v) => onChange({ [f.name]: v });
    if (f.type === "pairs") return html`<${Pairs} key=${path} field=${f} path=${path} items=${form[f.name]} errors=${errors} agent=${f.name === "params" ? agent : null} onChange=${set} />`;
    if (f.type === "parts") {
      return html`<${Repeated} key=${path} title=${f.label} add=${f.add ?? "Add"} items=${form[f.name]} fresh=${() => Object.fromEntries((f.fields ?? []).map((p) => [p.name, ""]))} name=${(/** @type {number} */ i) => `${f.label} ${i + 1}`} onChange=${set}>
        ${(/** @type {Doc} */ part, /** @type {(changed: Doc) => void} */ change, /** @type {number} */ i) => html`<${Fields} fields=${f.fields ?? []} form=${part} at=${`${path}[${i}]`} errors=${errors} onChange=${change} />`}</${Repeated}>`;
    }
    const options = f.type === "choice" ? /** @type {[string, string][]} */ ([["", "not set"], ...[...new Set([...(f.options ?? []), ...(form[f.name] ? [form[f.name]] : [])])].map((o) => [o, o])]) : undefined;
    return html`<${Field} key=${path} path=${path} label=${f.label} required=${f.required} hint=${f.hint} options=${options} value=${form[f.name] ?? ""} errors=${errors} onChange=${set} />`;
  })}`;
}

/** Name-value pairs, with what is known of their names.
 * @param {{field: Shown, path: string, items: {name: string, value: string}[], errors: FieldError[], agent?: ClusterAgent|null, onChange: (items: any) => void}} props */
export function Pairs({ field: f, path, items, errors, agent, onChange }) {
  const known = agent ? agent.parameters.filter((p) => !p.deprecated).map((p) => p.name) : f.known;
  const free = known?.filter((k) => !items.some((i) => i.name === k));
  const missing = (agent?.parameters ?? []).filter((p) => p.required && !items.some((i) => i.name === p.name)).map((p) => p.name);
  const other = errorsOf(errors, path, true).filter((e) => !items.some((i) => e.path === `${path}.${i.name}`));
  return html`<${Repeated} title=${f.label} add=${`Add to ${f.label.toLowerCase()}`} items=${items} fresh=${() => ({ name: missing[0] ?? "", value: "" })} name=${(/** @type {number} */ i) => `${f.label} ${i + 1}`} onChange=${onChange}
      hint=${missing.length > 0 ? `The agent requires: ${missing.join(", ")}.` : undefined}>
      ${(/** @type {{name: string, value: string}} */ item, /** @type {(changed: any) => void} */ set, /** @type {number} */ i) => {
        const parameter = agent?.parameters.find((p) => p.name === item.name);
        const options = parameter?.options?.length ? /** @type {[string, string][]} */ ([...new Set([item.value, ...parameter.options])].map((o) => [o, o || "choose…"])) : undefined;
        return html`<${Field} compact path=${`${path}[${i}].name`} label="Name" value=${item.name} list=${free} errors=${[]} onChange=${(/** @type {string} */ v) => set({ name: v })} />
          <${Field} compact path=${item.name ? `${path}.${item.name}` : `${path}[${i}].value`} label="Value" value=${item.value} options=${options} placeholder=${parameter?.default ?? ""} errors=${errors} hint=${parameter && parameterWords(parameter)} onChange=${(/** @type {string} */ v) => set({ value: v })} />`;
      }}</${Repeated}>
    ${other.map((e) => html`<p key=${e.path} class="field-error" role="alert">${sentence(`${e.path}: ${e.problem}${e.expected ? `; expected ${e.expected}` : ""}`)}</p>`)}`;
}

/** What a change would do to the cluster.
 * @param {{seen: any}} props */
function Preview({ seen }) {
  const text = seen.simulation?.text ?? [];
  return html`<section class="panel" aria-label="Prediction"><h3>What it would do</h3>
    <ul class="consequences">${(seen.changes ?? []).map((/** @type {string} */ c) => html`<li key=${c}>${c}</li>`)}</ul>
    ${text.length === 0 ? html`<p>Pacemaker predicts: no resource starts, stops or moves.</p>` : html`<p class="muted">Pacemaker predicts:</p><ul class="consequences">${text.map((/** @type {string} */ s) => html`<li key=${s}>${s}</li>`)}</ul>`}
    ${(seen.warnings ?? []).map((/** @type {string} */ w) => html`<p key=${w}>${sentence(w)}</p>`)}</section>`;
}

/** Why nothing was saved. What a field shows already is listed, too: it may be in a part that is folded.
 * @param {{error: any}} props */
export function Refused({ error }) {
  if ((error.fields ?? []).length === 0) return html`<${Problem} error=${error} />`;
  return html`<div class="problem" role="alert"><div><p>Nothing is saved.</p>${error.fields.map((/** @type {FieldError} */ e) => html`<p key=${e.path}>${sentence(`${e.path}: ${e.problem}${e.expected ? `; expected ${e.expected}` : ""}`)}</p>`)}</div></div>`;
}

/** Somebody else has changed the object while the form was open.
 * @param {{base: Doc, theirs: {doc: Doc, etag: string}, mine: Doc, kind: string, onTheirs: () => void, onMine: () => void}} props */
function Conflict({ base, theirs, mine, kind, onTheirs, onMine }) {
  const done = changes(base, theirs.doc);
  const ours = changes(theirs.doc, { ...docOf(kind, mine), id: theirs.doc.id });
  return html`<div class="problem conflict" role="alert"><div>
    <p><b>Somebody else changed this object while the form was open.</b> Your changes are not saved.</p>
    ${done.length === 0 ? html`<p class="muted">No field differs from what you opened.</p>` : html`<div class="scroll" tabindex="0" role="region" aria-label="Their changes"><table>
      <thead><tr><th scope="col">Field</th><th scope="col">Before</th><th scope="col">Now</th></tr></thead>
      <tbody>${done.map((r) => html`<tr key=${r.field}><th scope="row">${r.field}</th><td><code>${r.before}</code></td><td><code>${r.after}</code></td></tr>`)}</tbody></table></div>`}
    <p>Saving yours would change: ${ours.map((c) => c.field).join(", ") || "nothing"}.</p>
    <p class="actions"><${Button} onClick=${onTheirs}>Discard mine, load theirs</${Button}> <${Button} kind="danger" role="admin" onClick=${onMine}>Overwrite theirs with mine</${Button}></p>
  </div></div>`;
}
