// The jobs of the cluster: what was asked of it, by whom, and what came of it.

import { useEffect, useMemo, useState } from "preact/hooks";
import * as format from "./format.js";
import { html } from "./html.js";
import { now } from "./live.js";
import { useLoaded } from "./loaded.js";
import { Badge, Button, Empty, Loading, Problem, sentence, Title } from "./parts.js";
import { here } from "./pastplace.js";
import { Crumbs, useCluster, usePlace } from "./place.js";
import { call, get } from "./rest.js";
import { query, route } from "./router.js";
import { refusal } from "./session.js";

/** @typedef {import("./types.js").ClusterJob} ClusterJob */

/** How many jobs are asked for at once. */
const pageSize = 50;

/** How often what is running is asked for, in milliseconds: a job that ends while Pacemaker is down changes
 * nothing in the cluster that would be reported. */
const followEvery = 3000;

const states = ["running", "done", "failed", "timed-out", "canceled"];

/** The color of a job's state.
 * @param {string} state */
function kindOfState(state) {
  return { done: "good", failed: "bad", running: "", canceled: "" }[state] ?? "fair";
}

/** What a job does, and with what.
 * @param {ClusterJob} j */
function asked(j) {
  return `${j.kind} ${j.nodes?.join(", ") || j.object}`;
}

/** What a job does in one line of the list: of an edit, what it changes.
 * @param {ClusterJob} j */
function inShort(j) {
  const changes = j.changes ?? [];
  if (j.kind !== "configure" || changes.length === 0) return asked(j);
  return changes.slice(0, 2).join("; ") + (changes.length > 2 ? ` and ${format.count(changes.length - 2, "more change")}` : "");
}

/** Loads something again and again as long as a job in it is running.
 * @param {boolean} isRunning
 * @param {() => void} again */
function useFollowed(isRunning, again) {
  useEffect(() => {
    if (!isRunning) return undefined;
    const timer = setInterval(again, followEvery);
    return () => clearInterval(timer);
  }, [isRunning]);
}

export function JobsPage() {
  const { base } = usePlace();
  const cluster = useCluster();
  const q = route.value.query;
  const filter = new URLSearchParams([["state", q.get("state") ?? ""], ["author", q.get("author") ?? ""]].filter(([, v]) => v)).toString();
  const [limit, setLimit] = useState(pageSize);
  const path = `${base}/jobs?${filter}${filter && "&"}limit=${limit}`;
  const [turn, setTurn] = useState(0);
  const again = () => setTurn((n) => n + 1);
  const found = useLoaded(cluster ? `${path} ${cluster.epoch} ${turn}` : null, (signal) => get(path, signal));
  const authors = useMemo(() => new Set([""]), [base]); // all that were seen: an answer may have only the chosen one
  useFollowed((found.data ?? []).some((/** @type {ClusterJob} */ j) => j.state === "running"), found.again);
  const crumbs = html`<${Crumbs} />`;
  if (!cluster) return html`${crumbs}<div class="head"><${Title}>Jobs</${Title}></div><${Empty} title="This node is not in a cluster" />`;
  /** @type {ClusterJob[]} */
  const jobs = found.data ?? [];
  for (const j of jobs) authors.add(j.author);
  const chosen = q.get("job") ?? "";
  return html`${crumbs}<div class="head"><${Title}>Jobs</${Title}><span class="grow"></span><${Button} onClick=${again}>Refresh</${Button}></div>
    <p class="muted">What was asked of the cluster through its agents: actions and changes of the configuration, of all nodes, newest first.</p>
    <div class="toolbar"><${Filter} name="state" label="State" all="all states" values=${states} />
      <${Filter} name="author" label="Author" all="anybody" values=${[...authors].filter(Boolean).sort()} /></div>
    ${chosen && html`<${JobPanel} key=${chosen} id=${chosen} version=${`${cluster.epoch} ${turn}`} onChange=${again} />`}
    <${Problem} error=${found.error} onRetry=${found.again} />
    ${!found.data && !found.error && html`<${Loading} lines=${5} />`}
    ${found.data && jobs.length === 0 && html`<${Empty} title=${filter ? "No matches" : "No jobs yet"} />`}
    ${jobs.length > 0 && html`<section class="panel" aria-label="Jobs"><div class="scroll" tabindex="0" role="region" aria-label="Table of jobs"><table>
      <thead><tr><th scope="col">Time</th><th scope="col">Author</th><th scope="col">Job</th><th scope="col">State</th><th scope="col">Agent of</th></tr></thead>
      <tbody>${jobs.map((j) => html`<tr key=${j.id} aria-current=${j.id === chosen ? "true" : undefined}><td><a href=${here({ job: j.id })} aria-label=${`${format.clock(j.begun, now.peek())} ${inShort(j)}`}>${format.clock(j.begun, now.peek())}</a></td>
        <td>${j.author || format.unknown}</td><td>${inShort(j)}</td><td><${Badge} kind=${kindOfState(j.state)}>${j.state}</${Badge}>${j.result && j.result !== j.state && ` ${sentence(j.result)}`}</td><td>${j.node}</td></tr>`)}</tbody></table></div>
      ${jobs.length === limit && limit < 1000 && html`<p><${Button} onClick=${() => setLimit(Math.min(1000, limit + 4 * pageSize))}>Older jobs</${Button}></p>`}</section>`}`;
}

/** A choice that is kept in the address.
 * @param {{name: string, label: string, all: string, values: string[]}} props */
function Filter({ name, label, all, values }) {
  const value = route.value.query.get(name) ?? "";
  const options = values.includes(value) || !value ? values : [value, ...values];
  return html`<label class="choice"><span class="muted">${label}</span> <select aria-label=${label} value=${value} onChange=${(/** @type {any} */ e) => query({ [name]: e.target.value })}>
    <option value="">${all}</option>${options.map((v) => html`<option key=${v} value=${v} selected=${v === value}>${v}</option>`)}</select></label>`;
}

/** One job.
 * @param {{id: string, version: string, onChange?: () => void}} props version: it is loaded again when this changes; onChange: it was canceled */
export function JobPanel({ id, version, onChange }) {
  const { base, name } = usePlace();
  const path = `${base}/jobs/${encodeURIComponent(id)}`;
  const { data, error, again } = useLoaded(`${path} ${version}`, (signal) => get(path, signal));
  const [failure, setFailure] = useState(/** @type {any} */ (null));
  /** @type {ClusterJob|null} */
  const j = data;
  const lines = j ? [...j.commands, ...(j.changes ?? [])] : [];
  useFollowed(j?.state === "running", again);
  const retry = () => {
    setFailure(null);
    again();
  };
  const cancel = () => {
    setFailure(null);
    return call("POST", `${path}/cancel`).then(onChange ?? again, setFailure);
  };
  return html`<section class="panel" aria-label="Job"><div class="head"><h2>Job ${id.slice(0, 8)}</h2>${j && html`<${Badge} kind=${kindOfState(j.state)}>${j.state}</${Badge}>`}<span class="grow"></span>
      ${j?.state === "running" && !name && html`<${Button} role="operate" onClick=${cancel}>Cancel the job</${Button}>`}
      <a class="button" href=${here({ job: null })}>Close</a></div>
    <${Problem} error=${error ?? failure} onRetry=${retry} />
    ${!j && !error && html`<${Loading} lines=${2} />`}
    ${j && html`<p><b>${j.author || "Somebody"}</b>: ${asked(j)}, on ${j.node}, ${format.clock(j.begun, now.peek())}${took(j)}: ${j.result || j.state}</p>
      ${j.canceledBy && html`<p>Canceled by ${j.canceledBy}.</p>`}
      ${lines.length > 0 && html`<pre class="config" tabindex="0" role="group" aria-label="What was run and changed">${lines.join("\n")}</pre>`}
      ${j.deviations?.length > 0 && html`<h3>Not as predicted</h3><ul class="plain">${j.deviations.map((d) => html`<li key=${d}>${sentence(d)}</li>`)}</ul>`}
      ${!name && !refusal("admin") && html`<p><a href=${`/audit?job=${j.id}`}>Its requests in the audit log</a></p>`}`}</section>`;
}

/** How long a job took.
 * @param {ClusterJob} j */
function took(j) {
  const ms = Date.parse(j.ended ?? "") - Date.parse(j.begun);
  return ms >= 0 ? `, took ${format.duration(ms)}` : "";
}
