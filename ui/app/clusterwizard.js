// Wizards: objects of the cluster's configuration from a few values, in a draft.

import { useEffect, useRef, useState } from "preact/hooks";
import { Help, Pairs, Refused, useAgent } from "./clusterform.js";
import { errorsOf, Field } from "./fields.js";
import { html } from "./html.js";
import { useLoaded } from "./loaded.js";
import { Button, Dialog, Loading, Problem, sentence, toast } from "./parts.js";
import { call, get } from "./rest.js";
import { go } from "./router.js";

/** @typedef {import("./types.js").FieldError} FieldError
 *  @typedef {{name: string, label: string, help?: string, kind: string, required?: boolean, default?: string, choices?: string[]}} WizardField
 *  @typedef {{name: string, title: string, help: string, fields: WizardField[]}} Wizard
 *  @typedef {{name: string, value: string}} Pair
 *  @typedef {Record<string, any>} Form the texts of fields, and pairs of those of the kind params */

/** @param {{draft: string, onClose: () => void}} props draft: to which it adds; empty: a new one */
export function WizardDialog({ draft, onClose }) {
  const found = useLoaded(`wizards ${draft}`, (signal) => get(`/cluster/wizards${draft ? `?draft=${encodeURIComponent(draft)}` : ""}`, signal));
  const [name, setName] = useState("");
  const [busy, setBusy] = useState(false);
  /** @type {Wizard[]} */
  const list = found.data?.wizards ?? [];
  const wizard = list.find((w) => w.name === name) ?? list[0];
  return html`<${Dialog} title=${`Wizard${draft ? ` in draft ${draft}` : ""}`} wide busy=${busy} onClose=${onClose}>
    ${!wizard ? html`<div class="body">${found.error ? html`<${Problem} error=${found.error} onRetry=${found.again} />` : html`<${Loading} lines=${5} />`}</div>`
      : html`<${WizardForm} key=${wizard.name} wizard=${wizard} draft=${draft} busy=${busy} onBusy=${setBusy} onClose=${onClose}>
        <${Field} path="wizard" label="What to make" value=${wizard.name} errors=${[]} options=${list.map((w) => [w.name, w.title])} hint=${wizard.help} onChange=${setName} /></${WizardForm}>`}</${Dialog}>`;
}

/** What the API takes of a form. Empty values are none.
 * @param {Wizard} wizard
 * @param {Form} form
 * @returns {Record<string, string>} */
export function valuesOf(wizard, form) {
  /** @type {Record<string, string>} */
  const out = {};
  for (const f of wizard.fields) {
    const pairs = f.kind === "params" ? /** @type {Pair[]} */ (form[f.name]).map((p) => [`params.${p.name.trim()}`, p.value]) : [[f.name, form[f.name]]];
    for (const [name, value] of pairs) if (name !== "params." && value.trim() !== "") out[name] = value.trim();
  }
  return out;
}

/** @param {{wizard: Wizard, draft: string, busy: boolean, onBusy: (busy: boolean) => void, onClose: () => void, children?: any}} props */
function WizardForm({ wizard, draft, busy, onBusy, onClose, children }) {
  const [form, setForm] = useState(/** @type {Form} */ (Object.fromEntries(wizard.fields.map((f) => [f.name, f.kind === "params" ? [] : f.default ?? ""]))));
  const [error, setError] = useState(/** @type {any} */ (null));
  const agent = useAgent(wizard.name === "haproxy" ? "ocf:thalassa:haproxy" : form.agent ?? "");
  const element = useRef(/** @type {HTMLFormElement|null} */ (null));
  useEffect(() => {
    const bad = element.current?.querySelector("[aria-invalid=true], .problem");
    if (error) bad?.scrollIntoView({ block: "center" });
  }, [error]);
  const submit = async (/** @type {Event} */ e) => {
    e.preventDefault();
    onBusy(true);
    setError(null);
    try {
      const { data } = await call("POST", `/cluster/wizards/${wizard.name}`, { body: { values: valuesOf(wizard, form), ...(draft ? { draft } : { message: wizard.title }) } });
      toast({ kind: "good", text: `${data.draft.objects.join(", ")}: in draft ${data.draft.id}. Nothing is in effect yet.` });
      if (data.warnings?.length > 0) toast({ kind: "bad", text: data.warnings.map(sentence).join(" "), seconds: 20 });
      go(`/simulator?draft=${encodeURIComponent(data.draft.id)}`);
    } catch (failure) {
      setError(failure);
      onBusy(false);
    }
  };
  /** @type {FieldError[]} */
  const errors = (error?.fields ?? []).map((/** @type {FieldError} */ e) => ({ ...e, path: e.path.replace(/^values\./, "") }));
  const shown = errors.filter((e) => wizard.fields.some((f) => errorsOf([e], f.name, true).length > 0));
  return html`<form ref=${element} onSubmit=${submit} novalidate><div class="body">${children}
      ${wizard.fields.map((f) => html`<${WizardField} key=${f.name} field=${f} value=${form[f.name]} errors=${errors} agent=${agent} onChange=${(/** @type {any} */ v) => setForm({ ...form, [f.name]: v })} />`)}
      ${error && (shown.length === 0 || shown.length < errors.length) && html`<${Refused} error=${{ ...error, message: error.message, fields: errors }} />`}
      ${busy && html`<p role="status" class="muted">Asking Pacemaker…</p>`}</div>
    <footer><${Button} disabled=${busy} onClick=${onClose}>Cancel</${Button}><${Button} kind="primary" type="submit" role="admin" busy=${busy}>${draft ? "Add to the draft" : "Make a draft"}</${Button}></footer></form>`;
}

/** @param {{field: WizardField, value: any, errors: FieldError[], agent: import("./types.js").ClusterAgent|null, onChange: (v: any) => void}} props */
function WizardField({ field: f, value, errors, agent, onChange }) {
  if (f.kind === "params") {
    return html`${agent && html`<${Help} agent=${agent} />`}
      <${Pairs} field=${{ name: f.name, label: f.label, type: "pairs" }} path="params" items=${value} errors=${errors} agent=${agent} onChange=${onChange} />`;
  }
  const options = f.kind === "choice" ? /** @type {[string, string][]} */ ([...(f.default ? [] : [["", "not set"]]), ...(f.choices ?? []).map((c) => [c, c])]) : undefined;
  const list = (f.kind === "resource" || f.kind === "agent") && f.choices?.length ? f.choices : undefined;
  const nodes = f.kind === "nodes" && f.choices?.length ? ` Of ${f.choices.join(", ")}; several separated by spaces.` : "";
  return html`<${Field} path=${f.name} label=${f.label} required=${f.required} hint=${(f.help ?? "") + nodes || undefined} options=${options} list=${list} value=${value} errors=${errors} onChange=${onChange} />`;
}
