// The form of one object of the cluster's configuration, of any kind.

import { useEffect, useRef, useState } from "preact/hooks";
import { docOf, fieldsFor, formOf, isFilled, schema, shownOf } from "./clusterschema.js";
import { ofPacemaker, propertyValues, recommended } from "./clustervalues.js";
import { changes } from "./draft.js";
import { errorsOf, Field, More, Repeated } from "./fields.js";
import { html } from "./html.js";
import { useLoaded } from "./loaded.js";
import { Badge, Button, Dialog, Loading, Problem, sentence, toast } from "./parts.js";
import { call, get } from "./rest.js";

/** @typedef {import("./clusterschema.js").Shown} Shown
 *  @typedef {import("./clusterschema.js").Doc} Doc
 *  @typedef {import("./types.js").FieldError} FieldError
 *  @typedef {import("./types.js").ClusterAgent} ClusterAgent
 *  @typedef {{valid: boolean, meaning: string, reason?: string, output?: string, unchecked?: string[]}} AgentCheck */

/** The path of an object in the API, in a draft if there is one.
 * @param {string} kind
 * @param {string} id
 * @param {string} draft
 * @param {Record<string, string>} [query] */
export function objectPath(kind, id, draft, query = {}) {
  const q = new URLSearchParams({ ...(draft ? { draft } : {}), ...query }).toString();
  return `/cluster/config/${kind}/${encodeURIComponent(id)}${q && "?" + q}`;
}

/** @param {{kind: string, id: string, draft: string, onClose: (changed: boolean) => void, onAsk: (how: "delete"|"rename"|"copy") => void}} props
 * id: empty: a new object; draft: empty: changes take effect at once; onAsk: another dialog takes the place of this one */
export function ObjectDialog({ kind, id, draft, onClose, onAsk }) {
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
  const agents = useLoaded(["primitives", "templates"].includes(kind) ? "agents" : null, (signal) => get("/cluster/agents", signal));
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
      setError(told(f));
    } finally {
      setBusy(false);
    }
  };
  const submit = (/** @type {Event} */ e) => {
    e.preventDefault();
    if (name.trim() === "") void nameless();
    else void send(loaded?.etag ?? "", !draft && !seen);
  };
  // Without an id, the API is asked what else is missing, so that everything is named at once.
  const nameless = async () => {
    const missing = { path: "id", problem: "is missing" };
    setBusy(true);
    try {
      if (!["targets", "acl-groups"].includes(kind)) await call("PUT", objectPath(kind, " ", draft, { dryRun: "1" }), { body: docOf(kind, /** @type {Doc} */ (form)) });
      setError({ message: "not saved", fields: [missing] });
    } catch (failure) {
      const { fields } = told(failure);
      setError({ message: "not saved", fields: [missing, ...(fields ?? []).filter((/** @type {FieldError} */ f) => f.path !== "id")] });
    } finally {
      setBusy(false);
    }
  };
  const element = useRef(/** @type {HTMLFormElement|null} */ (null));
  useEffect(() => {
    const bad = /** @type {HTMLElement|null|undefined} */ (error && element.current?.querySelector("[aria-invalid=true], .field-error"));
    bad?.closest("details")?.setAttribute("open", "");
    (bad ?? element.current?.querySelector(".problem") ?? (seen && element.current?.querySelector("[aria-label=Prediction]")))?.scrollIntoView({ block: "center" });
  }, [error, seen]);
  const taken = error?.status === 412 && !id;
  // Other dialogs take the place of this one, and are about what is stored.
  const differs = Boolean(form && loaded) && JSON.stringify(form) !== JSON.stringify(formOf(kind, /** @type {Doc} */ (loaded?.doc)));
  /** @type {FieldError[]} */
  const errors = taken ? [{ path: "id", problem: "is taken by another object of this kind" }] : error?.fields ?? [];
  const title = (id ? `Edit ${schema[kind].title} ${id}` : `New ${schema[kind].title}`) + (draft ? ` in draft ${draft}` : "");
  return html`<${Dialog} title=${title} wide busy=${busy} onClose=${() => onClose(false)}><form ref=${element} onSubmit=${submit} novalidate>
    <div class="body">${!form ? error ? html`<${Problem} error=${error} onRetry=${load} />` : html`<${Loading} lines=${5} />` : html`
      ${!id && html`<${Field} path="id" label="ID" required value=${name} errors=${errors} onChange=${(/** @type {string} */ v) => { setName(v); setSeen(null); }} hint="Letters, digits and . _ - beginning with a letter or _" />`}
      ${agent && html`<${Help} agent=${agent} />`}
      <${Fields} fields=${schema[kind].fields} form=${form} at="" errors=${errors} agent=${agent} agents=${agents.data?.agents} onChange=${change} />
      <${More} title="Everything else, as JSON" open=${form.rest !== "" && errorsOf(errors, "rest").length > 0}>
        <${Field} path="rest" label="Fields that the form does not draw" lines=${6} code value=${form.rest} errors=${errors} onChange=${(/** @type {string} */ rest) => change({ rest })} hint="They are kept as they are unless you change them." /></${More}>
      ${theirs ? html`<${Conflict} base=${loaded?.doc ?? {}} theirs=${theirs} mine=${form} kind=${kind} onTheirs=${load} onMine=${() => send(theirs.etag, false)} />` : error && !taken && html`<${Refused} error=${error} />`}
      ${seen && html`<${Preview} seen=${seen} />`}
      ${busy && !draft && html`<p role="status" class="muted">${seen ? "Waiting for the cluster to settle…" : "Asking Pacemaker…"}</p>`}`}</div>
    <footer>${id && kind !== "nodes" && html`<span class="grow others">${differs && html`<span class="muted" role="status">Save or cancel first:</span>`}
        <${Button} kind="link" role="admin" disabled=${busy || differs} title=${differs ? "Save or cancel first" : undefined} onClick=${() => onAsk("copy")}>Copy…</${Button}>
        <${Button} kind="link" role="admin" disabled=${busy || differs} title=${differs ? "Save or cancel first" : undefined} onClick=${() => onAsk("rename")}>Rename…</${Button}>
        <${Button} kind="link" role="admin" disabled=${busy || differs} title=${differs ? "Save or cancel first" : undefined} onClick=${() => onAsk("delete")}>Delete…</${Button}></span>`}
      <${Button} disabled=${busy} onClick=${() => onClose(false)}>Cancel</${Button}>
      <${Button} kind="primary" type="submit" role="admin" busy=${busy} disabled=${!form || Boolean(theirs)}>${draft ? "Add to the draft" : seen ? "Save" : "Preview"}</${Button}></footer>
  </form></${Dialog}>`;
}

/** An error as the form shows it: what is no JSON is at its field.
 * @param {any} failure */
function told(failure) {
  return failure instanceof SyntaxError ? { message: "not saved", fields: [{ path: "rest", problem: failure.message, expected: "a JSON object" }] } : failure;
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

/** @param {{fields: Shown[], form: Doc, at: string, errors: FieldError[], agent?: ClusterAgent|null, agents?: string[], onChange: (part: Doc) => void}} props
 * at: the path of the object that has the fields; agents: the names to suggest for its agent */
function Fields({ fields, form, at, errors, agent, agents, onChange }) {
  const pathOf = (/** @type {Shown} */ f) => (at ? `${at}.${f.name}` : f.name);
  const draw = (/** @type {Shown} */ f) => html`<${OneField} key=${pathOf(f)} field=${f} path=${pathOf(f)} value=${form[f.name]} errors=${errors} agent=${agent} agents=${agents} onChange=${(/** @type {any} */ v) => onChange({ [f.name]: v })} />`;
  return html`${runs(fieldsFor(fields, form)).map((run) => {
    if (!run[0].folded) return draw(run[0]);
    const open = run.some((f) => isFilled(f, form[f.name]) || errorsOf(errors, pathOf(f), true).length > 0);
    return html`<${More} key=${pathOf(run[0])} title=${run.length > 1 ? more(run) : run[0].label} open=${open}><div class=${run.length > 1 ? undefined : "folded"}>${run.map(draw)}</div></${More}>`;
  })}`;
}

/** What fields that are folded together are called.
 * @param {Shown[]} run */
function more(run) {
  return `More: ${run.slice(0, 3).map((f) => f.label.toLowerCase()).join(", ")}${run.length > 3 ? " …" : ""}`;
}

/** Fields with those that are folded together: one after the other.
 * @param {Shown[]} fields */
function runs(fields) {
  /** @type {Shown[][]} */
  const out = [];
  for (const f of fields) {
    const last = out[out.length - 1];
    if (f.folded && last?.[0].folded) last.push(f);
    else out.push([f]);
  }
  return out;
}

/** @param {{field: Shown, path: string, value: any, errors: FieldError[], agent?: ClusterAgent|null, agents?: string[], onChange: (v: any) => void}} props */
function OneField({ field: f, path, value, errors, agent, agents, onChange }) {
  const inside = f.fields ?? [];
  switch (f.type) {
    case "pairs":
      return path === "params" ? html`<${Parameters} field=${f} items=${value} errors=${errors} agent=${agent} onChange=${onChange} />`
        : html`<${Pairs} field=${f} path=${path} items=${value} errors=${errors} onChange=${onChange} />`;
    case "parts":
      return html`<${Repeated} title=${f.label} add=${f.add ?? "Add"} items=${value} fresh=${() => shownOf(inside, {})} name=${(/** @type {number} */ i) => `${f.label} ${i + 1}`} onChange=${onChange} ordered=${f.name === "sets"}>
        ${(/** @type {Doc} */ part, /** @type {(changed: Doc) => void} */ change, /** @type {number} */ i) => html`<${Fields} fields=${inside} form=${part} at=${`${path}[${i}]`} errors=${errors} onChange=${change} />`}</${Repeated}>
        ${path === "ops" && agent && html`<${AgentOperations} agent=${agent} items=${value} onChange=${onChange} />`}
        <${Missing} path=${path} errors=${errors} />`;
    case "part":
      return html`<fieldset class="repeated"><legend>${f.label}</legend><div class="item"><div class="parts"><${Fields} fields=${inside} form=${value} at=${path} errors=${errors} onChange=${(/** @type {Doc} */ changed) => onChange({ ...value, ...changed })} /></div></div></fieldset>
        <${Missing} path=${path} errors=${errors} />`;
  }
  const all = [...new Set([...(f.options ?? []), ...(value ? [value] : [])])];
  const options = f.type === "choice" ? /** @type {[string, string][]} */ ([...(f.usual ? [] : [["", "not set"]]), ...all.map((o) => [o, f.words?.[o] ?? o])]) : undefined;
  return html`<${Field} path=${path} label=${f.label} required=${f.required} hint=${f.hint} options=${options} list=${f.name === "agent" ? agents : undefined} value=${value ?? ""} errors=${errors} onChange=${onChange} />`;
}

/** Adds the operations that the agent recommends, as long as some of them are missing.
 * @param {{agent: ClusterAgent, items: Doc[], onChange: (items: Doc[]) => void}} props */
function AgentOperations({ agent, items, onChange }) {
  const lacks = recommended(agent.actions, /** @type {any} */ (items));
  if (lacks.length === 0) return null;
  const fields = /** @type {Shown[]} */ (schema.primitives.fields.find((f) => f.name === "ops")?.fields);
  return html`<p class="button-line agent-operations"><${Button} icon="plus" onClick=${() => onChange([...items, ...lacks.map((op) => shownOf(fields, op))])}>Add the agent's operations</${Button}>
    <span class="muted">${[...new Set(lacks.map((op) => op.name))].join(", ")}, with the times that it recommends</span></p>`;
}

/** The error of a list or a part itself.
 * @param {{path: string, errors: FieldError[]}} props */
function Missing({ path, errors }) {
  return html`${errorsOf(errors, path).map((e) => html`<p key=${e.path} class="field-error" role="alert">${sentence(`${e.path}: ${e.problem}${e.expected ? `; expected ${e.expected}` : ""}`)}</p>`)}`;
}

/** The parameters of an agent, which it can check if it is installed here.
 * @param {{field: Shown, items: {name: string, value: string}[], errors: FieldError[], agent?: ClusterAgent|null, onChange: (items: any) => void}} props */
function Parameters({ field, items, errors, agent, onChange }) {
  const [said, setSaid] = useState(/** @type {AgentCheck|null} */ (null));
  const [error, setError] = useState(/** @type {any} */ (null));
  const [busy, setBusy] = useState(false);
  useEffect(() => { // it was about other values
    setSaid(null);
    setError(null);
  }, [items, agent]);
  const named = items.filter((i) => i.name.trim() !== "");
  const check = async () => {
    setBusy(true);
    try {
      const params = Object.fromEntries(named.map((i) => [i.name.trim(), i.value]));
      const { data } = await call("POST", `/cluster/agents/${encodeURIComponent(agent?.agent ?? "")}/validate`, { body: { params } });
      setSaid(data);
      setError(null);
    } catch (failure) {
      setSaid(null);
      setError(failure);
    } finally {
      setBusy(false);
    }
  };
  const words = said && !said.valid ? said.reason || said.output || said.meaning : "";
  /** @type {FieldError[]} */
  const own = [...(error?.fields ?? []), ...named.filter((i) => words.split(/[^\w-]+/).includes(i.name)).map((i) => ({ path: `params.${i.name}`, problem: `is named by the agent: ${words}` }))];
  return html`<${Pairs} field=${field} path="params" items=${items} errors=${[...errors, ...own]} agent=${agent} onChange=${onChange} />
    ${agent?.actions.some((a) => a.name === "validate-all") && html`<div class="agent-check">
      <${Button} role="admin" busy=${busy} onClick=${check}>Let the agent check</${Button}>
      <div role="status">${busy ? html`<span class="muted">Asking ${agent.agent}…</span>` : said && (said.valid ? html`<${Badge} kind="good">accepted</${Badge}> <span>${agent.agent} accepts the parameters on this node.</span>`
        : html`<${Badge} kind="bad">${said.meaning}</${Badge}> <span>${sentence(`The agent says: ${said.reason || said.meaning}`)}</span>${said.output && html`<pre tabindex="0" aria-label="Output of the agent">${said.output}</pre>`}`)}
        ${!busy && said && (said.unchecked ?? []).length > 0 && html` <span class="muted">Not checked, because it may be a secret: ${said.unchecked?.join(", ")}.</span>`}</div>
      ${error && (error.fields ?? []).length === 0 && html`<${Problem} error=${error} />`}</div>`}`;
}

/** Name-value pairs, with what is known of their names.
 * @param {{field: Shown, path: string, items: {name: string, value: string}[], errors: FieldError[], agent?: ClusterAgent|null, onChange: (items: any) => void}} props */
export function Pairs({ field: f, path, items, errors, agent, onChange }) {
  const known = agent ? agent.parameters.filter((p) => !p.deprecated).map((p) => p.name) : f.known && Object.keys(f.known);
  const free = known?.filter((k) => !items.some((i) => i.name === k));
  const missing = (agent?.parameters ?? []).filter((p) => p.required && !items.some((i) => i.name === p.name)).map((p) => p.name);
  const other = errorsOf(errors, path, true).filter((e) => !items.some((i) => e.path === `${path}.${i.name}`));
  return html`<${Repeated} title=${f.label} add=${`Add to ${f.label.toLowerCase()}`} items=${items} fresh=${() => ({ name: missing[0] ?? "", value: "" })} name=${(/** @type {number} */ i) => `${f.label} ${i + 1}`} onChange=${onChange}
      hint=${missing.length > 0 ? `The agent requires: ${missing.join(", ")}.` : undefined}>
      ${(/** @type {{name: string, value: string}} */ item, /** @type {(changed: any) => void} */ set, /** @type {number} */ i) => {
        const parameter = agent?.parameters.find((p) => p.name === item.name);
        const legal = parameter ? parameter.options : f.known && Object.hasOwn(f.known, item.name) ? f.known[item.name] : undefined;
        const options = legal?.length ? /** @type {[string, string][]} */ ([...new Set([item.value, ...legal])].map((o) => [o, o || "choose…"])) : undefined;
        return html`<${Field} compact path=${`${path}[${i}].name`} label="Name" value=${item.name} list=${free} errors=${[]} onChange=${(/** @type {string} */ v) => set({ name: v })} />
          <${Field} compact path=${item.name ? `${path}.${item.name}` : `${path}[${i}].value`} label="Value" value=${item.value} options=${options} placeholder=${parameter?.default ?? ""} errors=${errors} hint=${parameter ? parameterWords(parameter) : f.known === propertyValues && ofPacemaker.includes(item.name) ? "Set by Pacemaker itself." : undefined} onChange=${(/** @type {string} */ v) => set({ value: v })} />`;
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
