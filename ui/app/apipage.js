// The page of the API: every operation of the OpenAPI document, each to be tried.

import { useEffect, useMemo, useRef } from "preact/hooks";
import { html } from "./html.js";
import { Icon } from "./icons.js";
import { useLoaded } from "./loaded.js";
import { fields, operations, typeOf } from "./openapi.js";
import { Badge, Empty, Loading, Problem, Title } from "./parts.js";
import { get } from "./rest.js";
import { query, route } from "./router.js";
import { TryIt } from "./tryit.js";

/** @typedef {import("./openapi.js").Operation} Operation */

export function APIPage() {
  const loaded = useLoaded("openapi", (signal) => get("/openapi.json", signal));
  const document = loaded.data;
  const all = useMemo(() => (document ? operations(document) : []), [document]);
  const text = route.value.query.get("q") ?? "";
  const chosen = all.filter((o) => text.toLowerCase().split(/\s+/).every((word) => `${o.method} ${o.path} ${o.summary} ${o.role}`.toLowerCase().includes(word)));
  return html`<div class="head"><${Title}>API</${Title}><span class="grow"></span><a href="/openapi.json" data-plain>openapi.json</a></div>
    <${Problem} error=${loaded.error} onRetry=${loaded.again} />
    ${!document ? !loaded.error && html`<${Loading} lines=${8} />` : html`
      <p class="muted">${document.info.description}</p>
      <div class="toolbar" role="search"><div class="search"><${Icon} name="search" />
        <input type="search" aria-label="Search operations" placeholder="Search by method, path, role…" value=${text} onInput=${(/** @type {any} */ e) => query({ q: e.target.value })} /></div>
        <span class="muted" role="status">${chosen.length} of ${all.length}</span></div>
      ${chosen.length === 0 ? html`<${Empty} title="No matches" />`
        : html`<div class="rows operations">${chosen.map((o) => html`<${OneOperation} key=${o.id} document=${document} operation=${o} />`)}</div>`}`}`;
}

/** @param {{document: any, operation: Operation}} props */
function OneOperation({ document, operation: o }) {
  const isOpen = route.value.query.get("op") === o.id;
  const ref = useRef(/** @type {HTMLElement|null} */ (null));
  useEffect(() => {
    if (isOpen) ref.current?.scrollIntoView({ block: "nearest" }); // the address of the page names it
  }, []);
  const toggle = (/** @type {any} */ e) => {
    if (e.currentTarget.open !== isOpen) query({ op: e.currentTarget.open ? o.id : null });
  };
  return html`<details ref=${ref} class="row operation" open=${isOpen} onToggle=${toggle}>
    <summary><span class=${`method ${o.method.toLowerCase()}`}>${o.method}</span> <code>${o.path}</code> <span class="sub">${o.summary}</span> <${Badge} title="The role that it needs">${o.role}</${Badge}></summary>
    ${isOpen && html`<div class="about">
      ${o.description && html`<p>${o.description}</p>`}
      ${o.parameters.length > 0 && html`<${Table} title="Parameters" rows=${o.parameters.map((p) => ({ name: p.name, type: `${p.in}, ${typeOf(document, p.schema)}`, required: p.required, description: p.description }))} />`}
      ${o.body && html`<${Table} title=${`Body (${o.body.type})`} rows=${fields(document, o.body.schema)} />`}
      <${Responses} document=${document} operation=${o} />
      <${TryIt} key=${o.id} operation=${o} />
    </div>`}
  </details>`;
}

/** @param {{title: string, rows: import("./openapi.js").FieldRow[]}} props */
function Table({ title, rows }) {
  if (rows.length === 0) return null;
  return html`<h2>${title}</h2><div class="scroll" tabindex="0" role="region" aria-label=${title}><table>
    <thead><tr><th scope="col">Name</th><th scope="col">Type</th><th scope="col">Meaning</th></tr></thead>
    <tbody>${rows.map((r) => html`<tr key=${r.name}><th scope="row"><code>${r.name}</code>${r.required && html` <${Badge}>required</${Badge}>`}</th><td>${r.type}</td><td>${r.description}</td></tr>`)}</tbody></table></div>`;
}

/** @param {{document: any, operation: Operation}} props */
function Responses({ document, operation: o }) {
  const answer = o.responses.find((r) => r.status.startsWith("2") && r.schema);
  return html`<h2>Responses</h2>
    <dl>${o.responses.map((r) => [html`<dt key=${r.status}><${Badge} kind=${r.status < "300" ? "good" : ""}>${r.status}</${Badge}></dt>`, html`<dd key=${r.status + "d"}>${r.description}${r.type && r.type !== "application/json" ? ` (${r.type})` : ""}</dd>`])}</dl>
    ${answer && html`<details class="others"><summary>Fields of the answer</summary><${Table} title="Answer" rows=${fields(document, answer.schema)} /></details>`}`;
}
