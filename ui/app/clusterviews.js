// The whole configuration of the cluster as text, as XML, and as a drawing.

import { useMemo } from "preact/hooks";
import { graphOf } from "./clustergraph.js";
import { schema } from "./clusterschema.js";
import { Drawing, mostDrawn } from "./drawing.js";
import { highlightCRM, plain } from "./highlight.js";
import { html } from "./html.js";
import { useLoaded } from "./loaded.js";
import { CopyButton, Empty, Loading, Problem } from "./parts.js";
import { ofImport } from "./pastplace.js";
import { get } from "./rest.js";
import { query, route } from "./router.js";
import { Source } from "./source.js";

/** @typedef {Record<string, any>} Doc */

/** The views of the page, by their names in its address. */
const views = { table: "Table", text: "Text", xml: "XML", graph: "Graph" };

/** The view that the address names. */
export function chosenView() {
  const name = route.value.query.get("view") ?? "";
  return Object.hasOwn(views, name) ? name : "table";
}

/** @param {{chosen: string, only?: string[]}} props only: of these views */
export function ViewTabs({ chosen, only }) {
  return html`<div class="tabs" role="group" aria-label="View of the configuration">${Object.entries(views).filter(([name]) => !only || only.includes(name)).map(([name, title]) => html`<button key=${name} type="button"
    aria-pressed=${name === chosen ? "true" : "false"} onClick=${() => query({ view: name === "table" ? null : name })}>${title}</button>`)}</div>`;
}

/** The configuration as crmsh shows it, or as XML.
 * @param {{view: string, path: string, version: string}} props path: of the text; version: loaded again when it changes */
export function WholeText({ view, path, version }) {
  const { data, error, again } = useLoaded(`${path} ${version}`, (signal) => get(path, signal));
  const text = typeof data === "string" ? data : null;
  return html`<section class="panel text" aria-label=${view === "xml" ? "Configuration as XML" : "Configuration as text"}>
    <div class="head"><p class="muted">${view === "xml" ? "The CIB as XML. Secrets are masked." : html`As <code>crm configure show</code> prints it. Secrets are masked.`}</p><span class="grow"></span><${CopyButton} text=${text} /></div>
    <${Problem} error=${error} onRetry=${again} />
    ${text === null ? !error && html`<${Loading} lines=${12} />` : text.trim() === "" ? html`<${Empty} title="The configuration is empty" />`
      : html`<${Source} text=${text} label=${view === "xml" ? "XML" : "Text"} pieces=${view === "xml" ? plain : highlightCRM} />`}</section>`;
}

/** The configuration that the scheduler saw in a transition, which nobody can change.
 * @param {{id: string}} props of the transition */
export function PastConfiguration({ id }) {
  const view = chosenView() === "xml" ? "xml" : "text";
  const path = `/cluster/history/${encodeURIComponent(id)}/`;
  return html`<section class="strip past" aria-label="The past" role="note"><span><b>This is the past.</b> <span class="muted">The configuration as of the transition ${id}.</span></span>
      <span class="grow"></span><a class="button" href=${ofImport(`/history?id=${encodeURIComponent(id)}`)}>Transition</a> <a class="button" href="/cluster/config">Close</a></section>
    <${ViewTabs} chosen=${view} only=${["text", "xml"]} />
    <${WholeText} key=${view} view=${view} path=${ofImport(path + (view === "xml" ? "cib.xml" : "config.crm"))} version="" />`;
}

/** Resources and constraints as a drawing, with the constraints in words.
 * @param {{all: Record<string, Doc[]>}} props the objects by kind */
export function ConfigurationGraph({ all }) {
  const { boxes, lines, constraints } = useMemo(() => graphOf(all), [all]);
  if (boxes.length === 0) return html`<${Empty} title="No resources" />`;
  return html`<section class="panel" aria-label="Graph"><h2>Resources and constraints</h2>
      <${Legend} />
      <${Drawing} boxes=${boxes} lines=${lines} label="Drawing of the configuration" words=${`${boxes.length} boxes and ${lines.length} lines; the constraints are below in words`}
        tooMany=${`The configuration has more than ${mostDrawn} resources, which is too much to draw.`} /></section>
    <section class="panel" aria-label="Constraints"><h2>Constraints</h2>
      ${constraints.length === 0 ? html`<p class="muted">None.</p>` : html`<ul class="links">${constraints.map((c) => html`<li key=${c.kind + c.id}><button type="button" class="button link" onClick=${() => query({ kind: c.kind, edit: c.id })}>${c.id}</button>
        <span>${schema[c.kind].title}: ${c.words}${c.weight && ` (${c.weight})`}</span></li>`)}</ul>`}</section>`;
}

function Legend() {
  return html`<ul class="legend-lines drawing" aria-label="What the lines mean">${[["order", "starts before"], ["colocation", "follows to the same node"], ["location", "prefers the node, or needs the ticket"], ["location against", "away from it"]].map(([kind, words]) => html`
    <li key=${kind} class=${kind}><svg width="36" height="10" aria-hidden="true"><path class="line" d="M0 5 H36" /></svg>${words}</li>`)}</ul>`;
}
