import { useEffect, useState } from "preact/hooks";
import * as format from "./format.js";
import { html } from "./html.js";
import { now } from "./live.js";
import { Badge, Button, Empty, Loading, Problem, Title } from "./parts.js";
import { get } from "./rest.js";
import { query, route } from "./router.js";

/** @typedef {{seq: number, time: string, name?: string, from: string, how?: string, action: string, method: string, path: string,
 *   object?: string, status: number, revision?: number, refusal?: string, suppressed?: number, job?: string}} Entry */

const pageSize = 100;

/** Who asked for what, and what came of it, for admins. */
export function AuditPage() {
  const name = route.value.query.get("name") ?? "";
  const job = route.value.query.get("job") ?? "";
  const [entries, setEntries] = useState(/** @type {Entry[]|null} */ (null));
  const [hasMore, setHasMore] = useState(false);
  const [error, setError] = useState(/** @type {any} */ (null));
  const load = async (/** @type {Entry[]} */ before) => {
    const q = new URLSearchParams({ limit: String(pageSize) });
    if (name) q.set("name", name);
    if (job) q.set("job", job);
    if (before.length > 0) q.set("before", String(before[before.length - 1].seq));
    try {
      const more = await get("/audit?" + q);
      setEntries([...before, ...more]);
      setHasMore(more.length === pageSize);
      setError(null);
    } catch (failure) {
      setError(failure);
    }
  };
  useEffect(() => void load([]), [name, job]);
  return html`<div class="head"><${Title}>Audit</${Title}><span class="grow"></span>
      <input type="search" aria-label="Name" placeholder="Name" value=${name} onChange=${(/** @type {any} */ e) => query({ name: e.target.value.trim() })} />
      <${Button} onClick=${() => load([])}>Refresh</${Button}></div>
    ${job && html`<p class="muted">Requests of the cluster's job ${job} at this node. <a href="/audit">All records</a></p>`}
    <${Problem} error=${error} />
    ${!entries && !error && html`<${Loading} />`}
    ${entries?.length === 0 && html`<${Empty} title="No records">Nothing was changed or refused, and nobody logged in.</${Empty}>`}
    ${entries && entries.length > 0 && html`<section class="panel" aria-label="Records"><div class="scroll" tabindex="0" role="region" aria-label="Records"><table>
      <thead><tr><th>Time</th><th>Name</th><th>From</th><th>With</th><th>Action</th><th>Request</th><th>Result</th></tr></thead>
      <tbody>${entries.map((e) => html`<${Row} key=${e.seq} entry=${e} />`)}</tbody></table></div>
      ${hasMore && html`<p><${Button} onClick=${() => load(entries)}>Older records</${Button}></p>`}</section>`}`;
}

/** @param {{entry: Entry}} props */
function Row({ entry: e }) {
  return html`<tr>
    <td>${format.clock(Date.parse(e.time), now.value)}</td><td>${e.name ?? "–"}</td><td>${e.from}</td><td>${e.how ?? "–"}</td><td>${e.action}</td>
    <td><code>${e.method} ${e.path}</code></td>
    <td>${e.refusal ? html`<${Badge} kind="bad" title=${`Status ${e.status}`}>${e.refusal}</${Badge}>` : e.revision ? `revision ${e.revision}` : "done"}
      ${e.suppressed ? html` <span class="muted">${format.count(e.suppressed, "more refusal")} not recorded</span>` : ""}</td></tr>`;
}
