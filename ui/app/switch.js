// Switches a backend to another version, or divides its traffic.

import { useState } from "preact/hooks";
import { collected, editing, inDraft } from "./editing.js";
import * as format from "./format.js";
import { classes, html } from "./html.js";
import { object } from "./live.js";
import { Badge, Button, Dialog, Problem, toast } from "./parts.js";
import { address, call } from "./rest.js";
import { describe, move, percent, selection } from "./split.js";

/** @typedef {import("./types.js").Backend} Backend */

/** A button with the current version or versions. It opens the dialog.
 * @param {{backend: Backend}} props */
export function SwitchButton({ backend: b }) {
  const [open, setOpen] = useState(false);
  return html`<${Button} class="version" icon="switch" role="deploy" on=${"backend/" + b.key} title=${`Switch ${b.key}: now ${describe(b)}`} onClick=${() => setOpen(true)}>
    <span class="hidden">Switch ${b.key}: now </span>${b.versions ? html`<${SplitBar} versions=${b.versions} />` : b.version}</${Button}>
    ${open && html`<${SwitchDialog} backend=${b} onClose=${() => setOpen(false)} />`}`;
}

/** The shares of the versions as a bar.
 * @param {{versions: Record<string, number>}} props */
export function SplitBar({ versions }) {
  const parts = Object.entries(percent(versions)).filter(([, p]) => p > 0);
  return html`<span class="split">${parts.map(([v, p], i) => html`<span key=${v} class=${`part p${i % 6}`} style=${{ flexGrow: p }} title=${`${v}: ${Math.round(p)} %`}><span class=${p < 30 ? "hidden" : undefined}>${v}</span> ${Math.round(p)} %</span>`)}</span>`;
}

/** Asks for the version, switches, waits, and offers to undo the switch.
 * @param {{backend: Backend, onClose: () => void}} props */
function SwitchDialog({ backend: b, onClose }) {
  /** @type {import("./types.js").Service|undefined} */
  const service = object("service/" + b.name).value;
  const [divide, setDivide] = useState(Boolean(b.versions));
  const [version, setVersion] = useState(""); // nothing is chosen for the user
  const [moved, setParts] = useState(/** @type {Record<string, number>|null} */ (null)); // null: not touched, as the backend is
  const parts = moved ?? initial(b, service);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState(/** @type {any} */ (null));
  const versions = known(b, service);
  const unknown = service?.known === false; // Consul has not answered yet
  const wanted = divide ? { versions: parts } : { version };
  const chosen = divide || version !== "";
  const same = JSON.stringify(sorted(wanted)) === JSON.stringify(sorted(selection(b)));
  const healthy = (/** @type {string} */ v) => versions.find((known) => known.version === v)?.healthy ?? 0;
  const empty = divide ? Object.keys(parts).filter((v) => parts[v] > 0 && !healthy(v)) : version && !healthy(version) ? [version] : [];
  const submit = async (/** @type {Event} */ e) => {
    e.preventDefault();
    setBusy(true);
    setError(null);
    try {
      await switchTo(b, wanted);
      onClose();
    } catch (failure) {
      setError(failure);
      setBusy(false);
    }
  };
  return html`<${Dialog} title=${`Switch ${b.key}${editing.value ? ` in draft ${editing.value.id}` : ""}`} busy=${busy} onClose=${onClose}>
    <form onSubmit=${submit}>
      <div class="body">
        <p class="muted">Versions of <b>${b.name}</b> in Consul. When the switch is in effect, new requests go to the version you choose. Requests in progress are not interrupted.</p>
        <div class="tabs" role="group" aria-label="Kind of switch">
          <button type="button" aria-pressed=${divide ? "false" : "true"} onClick=${() => setDivide(false)}>One version</button>
          <button type="button" aria-pressed=${divide ? "true" : "false"} onClick=${() => setDivide(true)} disabled=${versions.length < 2}>Divide traffic</button>
        </div>
        ${divide ? html`<${Sliders} parts=${parts} versions=${versions} unknown=${unknown} onChange=${setParts} />`
          : html`<fieldset class="versions" disabled=${busy}><legend class="hidden">Version</legend>
            ${versions.map((v) => html`<label key=${v.version} class=${classes("choice", v.version === version && "chosen")}>
              <input type="radio" name="version" value=${v.version} checked=${v.version === version} onChange=${() => setVersion(v.version)} />
              <span class="grow">${v.version}</span><${Counts} version=${v} unknown=${unknown} />${v.version === b.version && html`<${Badge}>current</${Badge}>`}
            </label>`)}</fieldset>`}
        ${unknown && html`<p class="hint bad">Consul has not answered for ${b.name} yet. Until then, the agent refuses a switch.</p>`}
        ${!unknown && empty.length > 0 && html`<p class="hint bad">No healthy instance of ${empty.join(", ")}. The agent will refuse the switch.</p>`}
        <${Problem} error=${error} />
        ${busy && html`<p role="status" class="muted">Switching. This takes until new requests go to ${divide ? "all versions" : version}…</p>`}
      </div>
      <footer><${Button} disabled=${busy} onClick=${onClose}>Cancel</${Button}>
        <${Button} kind="primary" type="submit" role="deploy" on=${"backend/" + b.key} busy=${busy} disabled=${same || !chosen}>${!chosen ? "Choose a version" : same ? "No change" : `Switch to ${describe(wanted)}`}</${Button}></footer>
    </form>
  </${Dialog}>`;
}

/** @param {{version?: string, versions?: Record<string, number>}} s */
function sorted(s) {
  return s.versions ? Object.entries(percent(s.versions)).filter(([, p]) => p > 0).sort() : [[s.version, 100]];
}

/** The versions in Consul, and those that only the backend names.
 * @param {Backend} b
 * @param {import("./types.js").Service|undefined} service */
function known(b, service) {
  const versions = [...(service?.versions ?? [])];
  for (const v of b.versions ? Object.keys(b.versions) : [b.version ?? ""]) {
    if (v && !versions.some((k) => k.version === v)) versions.push({ version: v, total: 0, healthy: 0 });
  }
  return versions.sort((x, y) => y.version.localeCompare(x.version, "en", { numeric: true }));
}

/** The initial positions of the sliders.
 * @param {Backend} b
 * @param {import("./types.js").Service|undefined} service */
function initial(b, service) {
  /** @type {Record<string, number>} */
  const out = {};
  const now = b.versions ? percent(b.versions) : { [b.version ?? ""]: 100 };
  for (const v of known(b, service)) out[v.version] = Math.round(now[v.version] ?? 0);
  return out;
}

/** @param {{version: {total: number, healthy: number}, unknown: boolean}} props */
function Counts({ version: v, unknown }) {
  if (unknown) return html`<span class="muted">unknown</span>`;
  if (v.total === 0) return html`<span class="bad">not in Consul</span>`;
  return html`<span class=${v.healthy === 0 ? "bad" : v.healthy < v.total ? "fair" : "muted"}>${v.healthy} of ${format.count(v.total, "instance")} healthy</span>`;
}

/** @param {{parts: Record<string, number>, versions: {version: string, total: number, healthy: number}[], unknown: boolean, onChange: (p: Record<string, number>) => void}} props */
function Sliders({ parts, versions, unknown, onChange }) {
  return html`<div class="sliders">${versions.map((v) => html`<div key=${v.version} class="slider">
    <label for=${"part-" + v.version}><span class="grow">${v.version}</span><${Counts} version=${v} unknown=${unknown} /></label>
    <input id=${"part-" + v.version} type="range" min="0" max="100" step="1" value=${parts[v.version] ?? 0}
      onInput=${(/** @type {any} */ e) => onChange(move(parts, v.version, Number(e.target.value)))} />
    <output for=${"part-" + v.version}>${parts[v.version] ?? 0} %</output>
  </div>`)}</div>`;
}

/** Switches, and shows a message with an undo button.
 * @param {Backend} b before the switch
 * @param {{version?: string, versions?: Record<string, number>}} to
 * @param {string} [back] for an undo: the ETag that the backend must have */
async function switchTo(b, to, back) {
  const body = to.versions ? { versions: Object.fromEntries(Object.entries(to.versions).filter(([, w]) => w > 0)) } : { version: to.version };
  const { data, etag } = await call("POST", inDraft(address(b.id)), { body, headers: back ? { "If-Match": back } : {} });
  const toDraft = collected(`The switch of ${b.key}`, data);
  if (toDraft) return toast(toDraft);
  const took = data.durationMs !== undefined ? ` in ${format.duration(data.durationMs)}` : "";
  const how = data.path === "runtime" ? ", without a reload" : data.path === "reload" ? " with a reload" : "";
  toast({
    kind: data.applied ? "good" : "bad",
    text: data.applied ? `${b.key} ${back ? "was switched back to" : "now goes to"} ${describe(body)}${how}${took}.` : `Saved, but not in effect yet: ${data.reason}`,
    seconds: 30,
    action: back ? undefined : { label: "Undo", run: () => undo(b, etag) },
  });
}

/** Undoes a switch, unless somebody else has changed the backend since.
 * @param {Backend} b
 * @param {string} etag of the backend after the switch */
async function undo(b, etag) {
  try {
    await switchTo(b, selection(b), etag);
  } catch (failure) {
    toast({ kind: "bad", text: `${b.key} was not switched back: ${/** @type {Error} */ (failure).message}`, seconds: 30 });
  }
}
