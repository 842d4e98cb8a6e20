// The raw sections of haproxy.cfg: what is configured, and in a draft what becomes of it.

import { useEffect, useState } from "preact/hooks";
import { drop, editing, inDraft } from "./editing.js";
import { html } from "./html.js";
import { object } from "./live.js";
import { useLoaded } from "./loaded.js";
import { Badge, Button, Empty, Loading, Problem, toast } from "./parts.js";
import { get } from "./rest.js";
import { query, route } from "./router.js";
import { DeleteSection, SectionDialog } from "./sectionform.js";
import { hasText, merged, titleOf } from "./sectiontext.js";
import { refusal } from "./session.js";
import { Source } from "./source.js";

/** @typedef {import("./sectiontext.js").Section} Section */

/** How often the list is read again, in milliseconds: it is not part of the stream. */
const againMS = 30_000;

export function Sections() {
  const revision = object("status").value?.revision;
  const draft = editing.value;
  const [turn, setTurn] = useState(0);
  const again = () => setTurn((n) => n + 1);
  useEffect(() => {
    const timer = setInterval(() => document.visibilityState === "visible" && again(), againMS);
    return () => clearInterval(timer);
  }, []);
  const live = useLoaded(`${revision}/${turn}`, (signal) => get("/haproxy/sections", signal));
  const drafted = useLoaded(draft ? `${draft.id}/${draft.changed}/${draft.objects.length}/${revision}/${turn}` : null, (signal) => get(inDraft("/haproxy/sections"), signal));
  const error = live.error ?? (draft ? drafted.error : null);
  const isLoaded = live.data && (!draft || drafted.data);
  const all = isLoaded ? merged(live.data, draft ? drafted.data : null) : [];
  const at = route.value.query;
  const text = at.get("q") ?? "", edited = at.get("edit");
  const found = all.filter((s) => hasText(s.section, text));
  const [removing, setRemoving] = useState(/** @type {Section|null} */ (null));
  const done = () => { query({ edit: null, new: null }); again(); };
  const mayChange = !refusal("admin");
  return html`<div class="toolbar"><p class="muted grow">Sections that are neither frontends nor backends, and the lines that are added to the template's own sections global and defaults.</p>
      <${Button} role="admin" icon="plus" onClick=${() => query({ new: "1" })}>Section</${Button}></div>
    <${Problem} error=${error} onRetry=${again} />
    ${!isLoaded && !error && html`<${Loading} />`}
    ${isLoaded && all.length === 0 && html`<${Empty} title="No raw sections">An import of a haproxy.cfg makes some${mayChange ? ", and you can add one here" : ""}.</${Empty}>`}
    ${all.length > 0 && html`<div class="toolbar" role="search"><div class="search"><input type="search" aria-label="Search raw sections" placeholder="Search by kind, name, line…" value=${text} onInput=${(/** @type {any} */ e) => query({ q: e.target.value })} /></div>
      <span class="muted" role="status">${found.length < all.length ? `${found.length} of ${all.length}` : ""}</span></div>`}
    ${all.length > 0 && found.length === 0 && html`<${Empty} title="No matches"><${Button} kind="link" onClick=${() => query({ q: null })}>Show all</${Button}></${Empty}>`}
    ${found.map(({ section: s, mark }) => html`<section key=${s.id} id=${s.id} class="panel text section" aria-label=${s.key}>
      <div class="head"><h2>${titleOf(s.key)}</h2>${s.defaults && html`<span class="sub">from ${s.defaults}</span>`}
        ${mark && html`<${Badge} kind=${mark === "deleted" ? "bad" : "info"} title=${`In draft ${draft?.id}; not in effect`}>${mark} in the draft</${Badge}>`}<span class="grow"></span>
        ${mark === "deleted" ? html`<${Button} role="admin" icon="back" label=${`Keep ${s.key}`} onClick=${() => keep(s)}>Keep it</${Button}>` : html`<${Button} role="admin" icon="edit" label=${`Edit ${s.key}`} onClick=${() => query({ edit: s.key })}>Edit</${Button}>
        <${Button} role="admin" icon="trash" kind="quiet" label=${`Delete ${s.key}`} onClick=${() => setRemoving(s)} />`}</div>
      ${s.natives.length > 0 ? html`<${Source} text=${s.natives.join("\n")} label=${`Lines of ${s.key}`} />` : html`<p class="muted">No lines.</p>`}</section>`)}
    ${isLoaded && mayChange && (edited !== null || at.get("new") !== null) && html`<${SectionDialog} key=${edited ?? ""} name=${edited ?? undefined} all=${all.filter((s) => s.mark !== "deleted").map((s) => s.section)} onClose=${done} />`}
    ${removing && html`<${DeleteSection} section=${removing} onClose=${() => { setRemoving(null); again(); }} />`}`;
}

/** Takes a deletion out of the draft that is edited.
 * @param {Section} s */
async function keep(s) {
  const draft = editing.peek()?.id ?? "";
  try {
    await drop(draft, [s.id]);
  } catch (failure) {
    toast({ kind: "bad", text: `${titleOf(s.key)} stays deleted in draft ${draft}: ${/** @type {Error} */ (failure).message}` });
  }
}
