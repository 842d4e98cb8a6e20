// What a backend sends no requests to, and why.

import { useEffect, useState } from "preact/hooks";
import * as format from "./format.js";
import { html } from "./html.js";
import { now, object } from "./live.js";
import { Badge, Loading, Problem, sentence } from "./parts.js";
import { get } from "./rest.js";

/** @typedef {import("./types.js").UnusedInstance} UnusedInstance */

/** How often the list is read again while nothing else changes: the output of a check
 * may change alone. */
const refreshMS = 10_000;

/** @param {{backend: import("./types.js").Backend}} props */
export function Unused({ backend: b }) {
  const [list, setList] = useState(/** @type {UnusedInstance[]|null} */ (null));
  const [error, setError] = useState(/** @type {any} */ (null));
  const service = b.name ? object("service/" + b.name).value : undefined;
  const healthy = object("stat/" + b.id).value?.healthy;
  useEffect(() => {
    const stop = new AbortController();
    const load = () => get(`/backends/${encodeURIComponent(b.key)}?unused=1`, stop.signal).then((o) => {
      setList(o.unused ?? []);
      setError(null);
    }).catch((failure) => stop.signal.aborted || setError(failure));
    void load();
    const timer = setInterval(() => document.visibilityState === "visible" && load(), refreshMS);
    return () => {
      clearInterval(timer);
      stop.abort();
    };
  }, [b, service, healthy]);
  const others = (list ?? []).filter((u) => u.kind === "version");
  const faulty = (list ?? []).filter((u) => u.kind !== "version");
  const page = usable(service?.consulPage);
  return html`<section class="panel" aria-label="Not used"><h2>Not used <span class="count">${list ? faulty.length : ""}</span></h2>
    <${Problem} error=${error} />
    ${!list ? !error && html`<${Loading} lines=${2} />` : faulty.length > 0 ? html`<${Table} list=${faulty} />`
      : html`<p class="muted">${allUsed(b)}</p>`}
    ${others.length > 0 && html`<details class="others"><summary>${format.count(others.length, "instance")} of other versions</summary><${Table} list=${others} /></details>`}
    ${page && html`<p><a href=${page} target="_blank" rel="noreferrer">${b.name} in Consul</a></p>`}
  </section>`;
}

/** What a backend without unused instances uses.
 * @param {import("./types.js").Backend} b */
function allUsed(b) {
  if (!b.members?.length) return b.type === "dynamic" ? `Consul lists no instance of ${b.name} in the chosen versions.` : "There are no members.";
  return b.type === "dynamic" ? `HAProxy uses every healthy instance of ${b.name} in the chosen versions.` : "HAProxy uses every member.";
}

/** The address of Consul's page, if a browser elsewhere can use it.
 * @param {string|undefined} page */
function usable(page) {
  if (!page || !URL.canParse(page)) return "";
  const local = (/** @type {string} */ host) => /^(localhost|127\..*|\[::1\])$/.test(host);
  return !local(new URL(page).hostname) || local(location.hostname) ? page : "";
}

/** @param {{list: UnusedInstance[]}} props */
function Table({ list }) {
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Instances that are not used"><table class="unused">
    <thead><tr><th scope="col">Instance</th><th scope="col">Address</th><th scope="col">Version</th><th scope="col">Reason</th></tr></thead>
    <tbody>${list.map((u) => html`<tr key=${u.node + " " + u.id + " " + u.address}>
      <th scope="row">${u.id || "static member"}${u.node && html`<span class="sub">${u.node}</span>`}</th>
      <td><span class="address">${u.address}</span></td>
      <td>${u.version ? html`<${Badge} title=${u.version}>${u.version}</${Badge}>` : format.unknown}</td>
      <td><p>${sentence(u.reason)}${u.haproxy?.since && html` <span class="muted">${format.age(Date.parse(u.haproxy.since), now.peek())}</span>`}</p><${Checks} checks=${u.checks ?? []} /></td>
    </tr>`)}</tbody></table></div>`;
}

/** Consul's checks that do not pass, with their output. A single short one is the reason
 * already.
 * @param {{checks: NonNullable<UnusedInstance["checks"]>}} props */
function Checks({ checks }) {
  if (checks.length === 0 || (checks.length === 1 && (checks[0].output ?? "").trim().length < 150)) return null;
  return html`<details><summary>${format.count(checks.length, "check")} in Consul</summary><ul>${checks.map((c) => html`<li key=${c.id}>
    <${Badge} kind=${c.status === "warning" ? "fair" : "bad"}>${c.status}</${Badge}> ${c.name || c.id}${c.ofNode && html` <span class="muted">of the node</span>`}
    ${c.output && html`<pre tabindex="0" aria-label=${`Output of ${c.name || c.id}`}>${c.output}</pre>`}</li>`)}</ul></details>`;
}
