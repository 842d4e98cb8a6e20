// What the cluster went through: its transitions, and one of them.

import { Addresses, Matrix } from "./cluster.js";
import { JobPanel } from "./clusterjobs.js";
import { Explanation } from "./explanation.js";
import * as format from "./format.js";
import { html } from "./html.js";
import { Band, Sources } from "./imports.js";
import { now } from "./live.js";
import { useLoaded } from "./loaded.js";
import { Instant, Moment } from "./moment.js";
import { Badge, Empty, Loading, Problem, Title } from "./parts.js";
import { here, imported, ofImport, supposePath } from "./pastplace.js";
import { Crumbs, useCluster, usePlace } from "./place.js";
import { get } from "./rest.js";
import { query, route } from "./router.js";
import { refusal, seesNode } from "./session.js";
import { ObjectChanges, Results } from "./simulator.js";
import { changed, decided, kindOfTag, tells, TimeLine } from "./timeline.js";
import { label, waiting } from "./transition.js";

/** @typedef {import("./types.js").PastTransition} PastTransition
 *  @typedef {import("./types.js").OperationResult} OperationResult
 *  @typedef {import("./types.js").Authorship} Authorship
 *  @typedef {import("./types.js").ImportedHistory} ImportedHistory
 *  @typedef {import("./types.js").Logged} Logged */

/** How many transitions are asked for. */
const most = 1000;

/** Where jobs leave their marks in the configuration: who changed something is shown, not the mark. */
const marks = "properties/thalassa-jobs";

/** How many changed objects show their XML at once. */
const shownAtOnce = 4;

/** The views of a transition by their names in the address. */
const tabs = { decisions: "Decisions", explanation: "Explanation", state: "State", diff: "Configuration", operations: "Operations", log: "Logs" };

export function HistoryPage() {
  const { base, name } = usePlace();
  const cluster = useCluster();
  const q = route.value.query;
  const at = q.get("at") ?? "";
  const chosen = at ? "" : (q.get("id") ?? "");
  const filter = ["node", "resource", "tag", "author"].map((name) => [name, q.get(name) ?? ""]).filter(([, v]) => v);
  const asked = new URLSearchParams([...filter, ["limit", String(most)]]).toString();
  const path = ofImport(`${base}/history?${asked}`);
  const found = useLoaded(cluster ? `${path} ${imported() ? "" : cluster.epoch}` : null, (signal) => get(path, signal));
  const imports = useLoaded(cluster && !name ? "imports" : null, // those of another cluster are looked at there
    (signal) => get("/cluster/history/imports", signal));
  const crumbs = html`<${Crumbs} />`;
  if (!cluster) return html`${crumbs}<div class="head"><${Title}>History</${Title}></div><${Empty} title="This node is not in a cluster" />`;
  /** @type {PastTransition[]} */
  const transitions = found.data?.transitions ?? [];
  /** @type {ImportedHistory[]} */
  const list = imports.data?.imports ?? [];
  const { nodes, resources } = choices(cluster, transitions, list);
  const shown = q.has("all") || q.has("tag") ? transitions : transitions.filter(tells);
  const source = list.find((i) => i.id === imported());
  const supposes = !name && !refusal("operate") && (!imported() || (source !== undefined && source.kind !== "export")); // an export has no secrets
  return html`${crumbs}<div class="head"><${Title}>History</${Title}></div>
    <p class="muted">What Pacemaker saw and decided, each time its scheduler ran.</p>
    <${Band} list=${list} />
    ${!name && html`<div class="toolbar"><${Sources} list=${list} onChange=${imports.again} /></div>`}
    <div class="toolbar">
      <${Choice} name="node" label="Node" all="all nodes" values=${nodes} />
      <${Choice} name="resource" label="Resource" all="all resources" values=${resources} />
      <${Choice} name="tag" label="Kind" all="all kinds" values=${["input", "warning", "error"]} />
      <${Choice} name="author" label="Changed by" all="anybody" values=${[...new Set(transitions.flatMap((t) => (t.authors ?? []).map((a) => a.name ?? "")))].filter(Boolean).sort()} />
    </div>
    <${Problem} error=${found.error} onRetry=${found.again} />
    ${!found.data && !found.error && html`<${Loading} lines=${4} />`}
    ${found.data && transitions.length === 0 && html`<${Empty} title="No transition" text="The DC runs its scheduler when something happens." />`}
    ${shown.length > 0 && html`<${TimeLine} transitions=${shown} chosen=${chosen} onChoose=${(/** @type {string} */ id) => query({ id, at: null })} />`}
    <${Instant} value=${at} />
    ${at ? html`<${Moment} key=${at} at=${at} />` : chosen ? html`<${Chosen} key=${chosen} id=${chosen} supposes=${supposes} />` : transitions.length > 0 && html`<${Transitions} transitions=${shown} quiet=${transitions.length - shown.length} more=${found.data?.more ?? false} />`}`;
}

/** The nodes and resources that can be chosen: those of this cluster, or what an import tells of.
 * @param {any} cluster
 * @param {PastTransition[]} transitions
 * @param {ImportedHistory[]} list */
function choices(cluster, transitions, list) {
  const id = imported();
  if (!id) return { nodes: cluster.nodes.map((/** @type {{name: string}} */ n) => n.name), resources: cluster.resources.map((/** @type {{id: string}} */ r) => r.id) };
  const about = transitions.flatMap((t) => (t.decisions ?? []).map((d) => d.resource ?? ""));
  return { nodes: list.find((i) => i.id === id)?.nodes ?? [], resources: [...new Set(about)].filter(Boolean).sort() };
}

/** A choice that is kept in the address.
 * @param {{name: string, label: string, all: string, values: string[]}} props */
function Choice({ name, label, all, values }) {
  const value = route.value.query.get(name) ?? "";
  const options = values.includes(value) || !value ? values : [value, ...values];
  return html`<label class="choice"><span class="muted">${label}</span> <select aria-label=${label} value=${value} onChange=${(/** @type {any} */ e) => query({ [name]: e.target.value })}>
    <option value="">${all}</option>${options.map((v) => html`<option key=${v} value=${v} selected=${v === value}>${v}</option>`)}</select></label>`;
}

/** @param {{transitions: PastTransition[], quiet: number, more: boolean}} props quiet: how many others there are, which tell of nothing */
function Transitions({ transitions, quiet, more }) {
  return html`<section class="panel" aria-label="Transitions"><h2>Transitions</h2>
    <div class="scroll" tabindex="0" role="region" aria-label="Table of transitions"><table>
      <thead><tr><th scope="col">Time</th><th scope="col">Kind</th><th scope="col">DC</th><th scope="col">Changed by</th><th scope="col">Decided</th></tr></thead>
      <tbody>${transitions.slice(0, 200).map((t) => html`<tr key=${t.id}>
        <td><a href=${here({ id: t.id, at: null })} aria-label=${`${format.clock(t.time, now.peek())} ${t.tag}: ${decided(t)}`}>${format.clock(t.time, now.peek())}</a></td><td><${Badge} kind=${kindOfTag(t.tag)}>${t.tag}</${Badge}></td>
        <td>${t.dc || format.unknown}</td><td><${Changes} transition=${t} /></td><td>${decided(t)}</td></tr>`)}</tbody></table></div>
    ${quiet > 0 && html`<p class="muted">${format.count(quiet, "transition")} decided and changed nothing. <a href=${here({ all: "1" })}>Show all</a></p>`}
    ${(more || transitions.length > 200) && html`<p class="muted">There are more: choose a node, a resource or a kind, or a dot above.</p>`}
  </section>`;
}

/** Who changed what before a transition. Each leads to what became of the configuration.
 * @param {{transition: PastTransition}} props */
function Changes({ transition: t }) {
  return html`${[...new Set((t.authors ?? []).map(changed))].map((text) => html`<a key=${text} class="change" href=${here({ id: t.id, at: null, tab: "diff" })}>${text}</a>`)}`;
}

/** One transition.
 * @param {{id: string, supposes: boolean}} props supposes: whether something else can be supposed of it */
function Chosen({ id, supposes }) {
  const path = `${usePlace().base}/history/${encodeURIComponent(id)}`;
  const { data: t, error, again } = useLoaded(path, (signal) => get(ofImport(path), signal));
  const cluster = useCluster();
  const tab = route.value.query.get("tab") ?? "decisions";
  const job = route.value.query.get("job");
  if (error) return html`<${Problem} error=${error} onRetry=${again} />`;
  if (!t) return html`<${Loading} lines=${4} />`;
  const step = (/** @type {string} */ to, /** @type {string} */ label) => to ? html`<a class="button" href=${here({ id: to, job: null })}>${label}</a>` : html`<span class="muted">${label}</span>`;
  return html`<section class="strip past" aria-label="The past">
      <span><b>${format.clock(t.time, now.peek())}</b> <${Badge} kind=${kindOfTag(t.tag)}>${t.tag}</${Badge}> <span class="muted">DC ${t.dc || format.unknown}, ${t.file}, version ${t.epoch}</span></span>
      <span class="grow"></span>${step(t.before, "Previous")} ${step(t.after, "Next")} <a class="button" href=${here({ id: null, job: null })}>Close</a></section>
    <div class="toolbar"><div class="tabs" role="group" aria-label="What to show">${Object.entries(tabs).map(([name, title]) => html`
      <button key=${name} type="button" aria-pressed=${tab === name ? "true" : "false"} onClick=${() => query({ tab: name })}>${title}</button>`)}</div></div>
    ${job && html`<${JobPanel} key=${job} id=${job} version=${cluster?.epoch ?? ""} />`}
    ${tab === "operations" ? html`<${Operations} results=${t.operations ?? []} />` : tab === "state" ? html`<${State} path=${path} time=${t.time} />`
      : (tab === "log" || tab === "explanation") && refusal("operate") ? html`<${Empty} title="Not shown">${refusal("operate")}</${Empty}>`
      : tab === "log" ? html`<${Log} path=${path} />`
      : tab === "explanation" ? html`<${Explanation} path=${path} />`
      : tab === "diff" ? html`<${Difference} path=${path} />` : html`<${Causes} transition=${t} /><${Decisions} path=${path} supposed=${supposes ? id : ""} />`}`;
}

/** What led to a transition: failed operations, and changes of the configuration.
 * @param {{transition: PastTransition & {operations?: OperationResult[]}}} props */
function Causes({ transition: t }) {
  const failed = (t.operations ?? []).filter((o) => o.failed);
  if (failed.length + (t.authors ?? []).length === 0) return t.before ? html`<p class="muted">No failed operation and no change of the configuration is new here. <a class="button" href=${here({ id: t.before, job: null })}>The transition before</a></p>` : null;
  return html`<section class="panel" aria-label="What led to it"><h2>What led to it</h2>
    ${failed.length > 0 && html`<ul class="plain">${failed.map((o, n) => html`<li key=${n}><${Badge} kind="bad">${o.operation}</${Badge}> of ${o.resource} failed on ${o.node}${Date.parse(o.time) > 0 ? ` at ${format.clock(o.time, now.peek())}` : ""}: ${[o.meaning, o.reason].filter(Boolean).join(", ")}</li>`)}</ul>`}
    ${(t.authors ?? []).length > 0 && html`<${Authors} list=${t.authors ?? []} />`}</section>`;
}

/** What would have been, had something been otherwise. What waited for the fencing of a node would not have been done without it.
 * @param {{id: string, graph: import("./types.js").Transition}} props id: the transition, if something else can be supposed of it */
function Suppositions({ id, graph }) {
  const fences = graph.nodes.filter((s) => s.kind === "fence" && s.node);
  if (!id && fences.length === 0) return null;
  return html`<section class="panel" aria-label="What if?"><h2>What if?</h2>
    ${fences.map((f) => { const rest = waiting(graph, f.id).map((s) => `${label(s)}${s.node ? ` on ${s.node}` : ""}`);
      return html`<p key=${f.id}><b>Had ${f.node} not been fenced:</b> ${rest.length > 0 ? `the cluster waits for that before it does this, so it would not have been done: ${rest.join("; ")}.` : "nothing else waited for that."}
</p>`; })}
    ${id && html`<div class="button-line">${fences.map((f) => html`<a key=${f.id} class="button" href=${supposePath(id, `${f.node}=online`)}>Had ${f.node} not failed?</a>`)}
      <a class="button" href=${supposePath(id)}>Suppose something else</a></div>`}</section>`;
}

/** @param {{path: string, supposed: string}} props supposed: the transition, if something else can be supposed of it */
function Decisions({ path, supposed }) {
  const { data, error, again } = useLoaded(path + "/decisions", (signal) => get(ofImport(path + "/decisions"), signal));
  if (error) return html`<${Problem} error=${error} onRetry=${again} />`;
  return data ? html`<${Results} seen=${{ changes: [], warnings: [], objects: [], simulation: data }}><${Suppositions} id=${supposed} graph=${data.graph} /></${Results}>` : html`<${Loading} lines=${6} />`;
}

/** The state then, as the page of the cluster shows the state now.
 * @param {{path: string, time: string}} props */
function State({ path, time }) {
  const { data, error, again } = useLoaded(path + "/state", (signal) => get(ofImport(path + "/state"), signal));
  if (error) return html`<${Problem} error=${error} onRetry=${again} />`;
  if (!data) return html`<${Loading} lines=${6} />`;
  return html`<p class="muted" role="note">This is the past: ${format.clock(time, now.peek())}.</p><${Addresses} cluster=${data} /><${Matrix} cluster=${data} />`;
}

/** @param {{path: string}} props */
function Difference({ path }) {
  const { name } = usePlace();
  const { data, error, again } = useLoaded(path + "/diff", (signal) => get(ofImport(path + "/diff"), signal));
  if (error) return html`<${Problem} error=${error} onRetry=${again} />`;
  if (!data) return html`<${Loading} lines=${3} />`;
  const whole = !name && html`<a href=${ofImport(`/cluster/config?view=text&past=${encodeURIComponent(data.to)}`)}>The whole configuration then</a>`;
  const objects = data.objects.filter((/** @type {{object: string}} */ o) => o.object !== marks);
  if (objects.length === 0) return html`<section class="panel" aria-label="Configuration"><h2>Configuration</h2>${data.authors.length > 0 && html`<${Authors} list=${data.authors} />`}<p>${data.from ? "The configuration is that of the transition before." : "No transition before this one is known."} ${whole}</p></section>`;
  return html`<section class="panel" aria-label="Configuration"><h2>Configuration</h2><p>${whole}</p><${Authors} list=${data.authors} /><${ObjectChanges} objects=${objects} open=${objects.length <= shownAtOnce} /></section>`;
}

/** Who changed the configuration.
 * @param {{list: Authorship[]}} props */
function Authors({ list }) {
  const audits = seesNode("admin") && !usePlace().name; // the audit log of this agent
  const foreign = imported(); // whose jobs and audit log are not here
  return html`<ul class="plain links" aria-label="Who">${list.map((a, n) => html`<li key=${n}>
    ${a.job ? html`<b>${a.name || "Somebody"}</b>: ${a.kind ?? "a job"} ${a.object ?? ""}${a.time ? ` at ${format.clock(a.time, now.peek())}` : ""}${a.node ? ` by the agent of ${a.node}` : ""}, ${foreign ? `job ${a.job.slice(0, 8)}` : html`<a href=${here({ job: a.job })}>job ${a.job.slice(0, 8)}</a>${audits && html`, <a href=${`/audit?job=${a.job}`}>in the audit log</a>`}`}`
      : a.client ? html`<b>${a.name || "Somebody"}</b> with ${a.client} on ${a.node || "some node"}${a.time ? ` at ${format.clock(a.time, now.peek())}` : ""}`
        : html`${format.count(a.versions, "more version")}: Pacemaker keeps only who made the last one`}</li>`)}</ul>`;
}

/** The logs around the transition.
 * @param {{path: string}} props */
function Log({ path }) {
  const { data, error, again } = useLoaded(path + "/log?limit=1000", (signal) => get(ofImport(path + "/log?limit=1000"), signal));
  if (error) return html`<${Problem} error=${error} onRetry=${again} />`;
  if (!data) return html`<${Loading} lines=${6} />`;
  /** @type {Logged} */
  const log = data;
  return html`<section class="panel" aria-label="Logs"><h2>Logs</h2>
    <p class="muted">From ${format.clock(log.from, now.peek())} to ${format.clock(log.to, now.peek())}.${log.more ? " There are more lines before these." : ""}
      ${log.missing.length > 0 ? ` Some logs are missing, because these agents have not sent them: ${log.missing.join(", ")}.` : ""}
      ${log.sources.filter((s) => s.problem).map((s) => ` ${s.name} was not read: ${s.problem}.`).join("")}</p>
    ${log.lines.length === 0 ? html`<p>Nothing was logged then.</p>` : html`<div class="scroll" tabindex="0" role="region" aria-label="Lines of the logs"><table>
      <thead><tr><th scope="col">Time</th><th scope="col">Node</th><th scope="col">Program</th><th scope="col">Severity</th><th scope="col">Text</th></tr></thead>
      <tbody>${log.lines.map((l, n) => html`<tr key=${n}><td>${format.clock(l.time, now.peek())}</td><td>${l.node ?? log.node}</td><td>${l.daemon ?? l.source}</td>
        <td>${l.severity === "error" || l.severity === "warning" ? html`<${Badge} kind=${kindOfTag(l.severity)}>${l.severity}</${Badge}>` : (l.severity ?? "")}</td><td>${l.text}</td></tr>`)}</tbody></table></div>`}</section>`;
}

/** @param {{results: OperationResult[]}} props */
function Operations({ results }) {
  if (results.length === 0) return html`<section class="panel" aria-label="Operations"><h2>Operations</h2><p>No operation had ended since the transition before.</p></section>`;
  return html`<section class="panel" aria-label="Operations"><h2>Operations</h2><p class="muted">Ended since the transition before.</p>
    <div class="scroll" tabindex="0" role="region" aria-label="Table of operations"><table>
      <thead><tr><th scope="col">Time</th><th scope="col">Node</th><th scope="col">Resource</th><th scope="col">Operation</th><th scope="col">Code</th><th scope="col">Took</th><th scope="col">Reason</th></tr></thead>
      <tbody>${results.map((o, n) => html`<tr key=${n}><td>${format.clock(o.time, now.peek())}</td><td>${o.node}</td><td>${o.resource}</td><td>${o.operation}${o.intervalMs ? ` every ${format.duration(o.intervalMs)}` : ""}</td>
        <td>${o.failed ? html`<${Badge} kind="bad">${o.code}</${Badge}>` : o.code}</td><td>${format.duration(o.durationMs)}</td><td>${o.reason ?? ""}</td></tr>`)}</tbody></table></div></section>`;
}
