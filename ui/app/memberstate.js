// What an operator asked for one member: its state and weight, by whom, and why.

import { useState } from "preact/hooks";
import { atOnce } from "./editing.js";
import { Field } from "./fields.js";
import * as format from "./format.js";
import { html } from "./html.js";
import { Badge, Button, Dialog, Problem, toast } from "./parts.js";
import { address, call } from "./rest.js";

/** @typedef {import("./types.js").Backend} Backend
 * @typedef {import("./types.js").Member} Member
 * @typedef {import("./types.js").Override} Override */

/** @param {{host: string, port: number}} m */
export function endpoint(m) {
  return `${m.host.includes(":") ? `[${m.host}]` : m.host}:${m.port}`;
}

/** What an override asks for: "drain", "ready with weight 50%".
 * @param {Override} o */
export function asked(o) {
  return o.weight === undefined ? o.state : `${o.state} with weight ${o.weight}`;
}

/** Who asked for an override, until when, and why.
 * @param {Override} o */
export function askedBy(o) {
  return [o.by && `by ${o.by}`, o.until && `until ${format.clock(Date.parse(o.until), Date.now())}`, o.reason].filter(Boolean).join(", ");
}

/** The button of a member, with what is asked for it.
 * @param {{backend: Backend, member: Member}} props */
export function MemberState({ backend, member: m }) {
  const [open, setOpen] = useState(false);
  const o = m.override;
  return html`${o && html`<${Badge} kind="fair" title=${askedBy(o)}>${asked(o)}</${Badge}> <span class="muted">${askedBy(o)}</span> `}
    <${Button} kind="link" role="deploy" on=${"backend/" + backend.key} title=${`Change the state of ${endpoint(m)}`} onClick=${() => setOpen(true)} ...${atOnce()}>${o ? "Change" : "Drain"}<span class="hidden"> ${endpoint(m)}</span></${Button}>
    ${open && html`<${StateDialog} backend=${backend} member=${m} onClose=${() => setOpen(false)} />`}`;
}

/** Overrides of members that the backend does not have now.
 * @param {{backend: Backend}} props */
export function Dormant({ backend: b }) {
  if (!b.overrides?.length) return null;
  return html`<p class="muted">Not members now. When they come back, they get these states again:</p>
    <ul class="links">${b.overrides.map((o) => html`<li key=${endpoint(o)}><span class="address">${endpoint(o)}</span>
      <${MemberState} backend=${b} member=${/** @type {any} */ ({ id: "", host: o.host, port: o.port, override: o })} /></li>`)}</ul>`;
}

const states = [
  { state: "drain", title: "Drain", words: "No new requests. Requests in progress end." },
  { state: "maint", title: "Maintenance", words: "No requests and no health checks." },
  { state: "ready", title: "Ready", words: "In use, if Consul and the health checks agree." },
];

/** @param {{backend: Backend, member: Member, onClose: () => void}} props */
function StateDialog({ backend, member: m, onClose }) {
  const [state, setState] = useState(m.override ? "ready" : "drain");
  const [weight, setWeight] = useState("");
  const [time, setTime] = useState("");
  const [reason, setReason] = useState("");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState(/** @type {any} */ (null));
  const submit = async (/** @type {Event} */ e) => {
    e.preventDefault();
    setBusy(true);
    setError(null);
    try {
      /** @type {Record<string, any>} */
      const body = { state };
      if (state === "ready" && weight.trim()) body.weight = /^\d+$/.test(weight.trim()) ? Number(weight) : weight.trim();
      if (time.trim()) body.for = time.trim();
      if (reason) body.reason = reason;
      const { data } = await call("POST", `${address("backend/" + backend.key)}/members/${encodeURIComponent(endpoint(m))}`, { body });
      toast({ kind: data.applied ? "good" : "bad", text: data.applied ? `${endpoint(m)} of ${backend.key} is ${data.override ? asked(data.override) : "ready"}.` : `Saved, but not in effect yet: ${data.reason}` });
      onClose();
    } catch (failure) {
      setError(failure);
      setBusy(false);
    }
  };
  const fields = error?.fields ?? [];
  return html`<${Dialog} title=${`State of ${endpoint(m)}`} busy=${busy} onClose=${onClose}>
    <form onSubmit=${submit}>
      <div class="body">
        <fieldset class="versions" disabled=${busy}><legend class="hidden">State</legend>
          ${states.map((s) => html`<label key=${s.state} class=${s.state === state ? "choice chosen" : "choice"}>
            <input type="radio" name="state" value=${s.state} checked=${s.state === state} onChange=${() => setState(s.state)} />
            <span class="grow">${s.title}</span><span class="muted">${s.words}</span></label>`)}</fieldset>
        ${state === "ready" && html`<${Field} path="weight" label="Weight" value=${weight} onChange=${setWeight} errors=${fields} placeholder="its own; 50% or 0 to 256" disabled=${busy} />`}
        <${Field} path="for" label="For" value=${time} onChange=${setTime} errors=${fields} placeholder="until changed; 30m or 2h" disabled=${busy} />
        <${Field} path="reason" label="Reason" value=${reason} onChange=${setReason} errors=${fields} disabled=${busy} />
        ${fields.length === 0 && html`<${Problem} error=${error} />`}
      </div>
      <footer><${Button} disabled=${busy} onClick=${onClose}>Cancel</${Button}>
        <${Button} kind="primary" type="submit" role="deploy" on=${"backend/" + backend.key} busy=${busy}>Set ${state}</${Button}></footer>
    </form>
  </${Dialog}>`;
}
