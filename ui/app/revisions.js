// The revisions: who changed what and why, the difference between two, and the way back.

import { useState } from "preact/hooks";
import { restore } from "./commit.js";
import { ObjectChanges, PreviewPanels, kindOfChange } from "./difference.js";
import * as format from "./format.js";
import { html } from "./html.js";
import { now, object } from "./live.js";
import { useLoaded } from "./loaded.js";
import { Badge, Button, Dialog, Empty, Loading, Problem } from "./parts.js";
import { call, get } from "./rest.js";
import { query, route } from "./router.js";
import { Unified } from "./source.js";

/** @typedef {import("./types.js").Revision} Revision
 *  @typedef {import("./types.js").Recorded} Recorded */

/** Revisions that the page loads at a time. */
const pageSize = 50;

export function Revisions() {
  const status = object("status").value;
  const [limit, setLimit] = useState(pageSize);
  const history = useLoaded(`${status?.revision}/${limit}`, (signal) => get(`/revisions?limit=${limit}`, signal));
  const configs = useLoaded(`${status?.revision}/${status?.inEffect}/${limit}`, (signal) => get(`/haproxy/configs?limit=${limit}`, signal));
  /** @type {Revision[]} */
  const all = history.data ?? [];
  const at = route.value.query;
  const chosen = Number(at.get("r") ?? all[0]?.number ?? 0);
  const other = Number(at.get("with") ?? chosen - 1);
  if (!history.data) return html`<${Problem} error=${history.error} onRetry=${history.again} />${!history.error && html`<${Loading} lines=${6} />`}`;
  if (all.length === 0) return html`<${Empty} title="No revisions">Every change of frontends and backends becomes one.</${Empty}>`;
  return html`<div class="split-page">
    <section class="panel history" aria-label="Revisions"><h2>Revisions</h2>
      <ol class="entries">${all.map((r) => html`<${Entry} key=${r.number} revision=${r} chosen=${r.number === chosen} outcome=${outcome(r.number, status, configs.data)} />`)}</ol>
      ${all.length >= limit && html`<p class="more"><${Button} onClick=${() => setLimit(limit + pageSize)}>Older revisions</${Button}></p>`}
    </section>
    <${Comparison} key=${`${other}..${chosen}`} all=${all} from=${other} to=${chosen} newest=${all[0].number} />
  </div>`;
}

/** How a revision took effect: the words, and their color.
 * @param {number} number
 * @param {import("./types.js").Status|undefined} status
 * @param {Recorded[]|null} configs
 * @returns {[string, string]|null} null: that is not known any more */
function outcome(number, status, configs) {
  if (status && number > status.inEffect) return ["pending", "bad"];
  const recorded = configs?.filter((c) => c.revision === number).at(-1);
  const path = recorded?.path;
  return path ? [path === "reload" ? "reload" : path === "runtime" ? "no reload" : "no change in HAProxy", path === "reload" ? "fair" : "good"] : null;
}

/** @param {{revision: Revision, chosen: boolean, outcome: [string, string]|null}} props */
function Entry({ revision: r, chosen, outcome: o }) {
  return html`<li><button type="button" class="entry" aria-pressed=${chosen ? "true" : "false"} onClick=${() => query({ r: String(r.number), with: null })}>
    <b>Revision ${r.number}</b> ${o && html`<${Badge} kind=${o[1]}>${o[0]}</${Badge}>`}
    ${r.message && html`<span class="message">${r.message}</span>`}
    <span class="sub">${r.cause}${r.author ? ` by ${r.author}` : ""}</span>
    <span class="sub"><time datetime=${r.time}>${format.clock(r.time, now.peek())}</time> · ${describe(r)}</span>
  </button></li>`;
}

/** What a revision changed, in a few words.
 * @param {Revision} r */
function describe(r) {
  if (r.changes.length === 1) return `${r.changes[0].id} ${kindOfChange(r.changes[0])[0]}`;
  return format.count(r.changes.length, "object");
}

/** The difference between two revisions.
 * @param {{all: Revision[], from: number, to: number, newest: number}} props */
function Comparison({ all, from, to, newest }) {
  const difference = useLoaded(`${from}..${to}`, (signal) => get(`/revisions/${from}..${to}`, signal));
  const [target, setTarget] = useState(/** @type {number|null} */ (null));
  const d = difference.data;
  const choices = [...new Set([...all.map((r) => r.number), ...(all.at(-1)?.number === 1 ? [0] : []), from])].filter((n) => n !== to).sort((a, b) => b - a);
  return html`<div class="comparison">
    <div class="toolbar"><label class="with">Revision ${to} compared with <select aria-label="Compare with" value=${String(from)} onChange=${(/** @type {any} */ e) => query({ r: String(to), with: e.target.value })}>
        ${choices.map((n) => html`<option key=${n} value=${String(n)} selected=${n === from}>${n === 0 ? "nothing" : `revision ${n}`}</option>`)}</select></label>
      <span class="grow"></span>
      ${to === newest ? html`<${Button} role="admin" icon="back" onClick=${() => setTarget(to - 1)}>Undo this revision</${Button}>`
        : html`<${Button} role="admin" icon="back" onClick=${() => setTarget(to)}>Roll back to revision ${to}</${Button}>`}</div>
    <${Problem} error=${difference.error} onRetry=${difference.again} />
    ${!d ? !difference.error && html`<${Loading} lines=${6} />` : html`
      ${d.changes.length === 0 ? html`<${Empty} title="No difference">Both have the same frontends and backends.</${Empty}>` : html`<${ObjectChanges} changes=${d.changes} titles=${[`Revision ${from}`, `Revision ${to}`]} />`}
      <section class="panel" aria-label="Changes of haproxy.cfg"><h2>haproxy.cfg</h2>
        ${d.config === null ? html`<p class="muted">Its text is not recorded for both revisions.</p>` : d.config === "" ? html`<p class="muted">The text is the same.</p>` : html`<${Unified} text=${d.config} />`}</section>`}
    ${target !== null && html`<${RollBack} number=${target} onClose=${() => setTarget(null)} />`}
  </div>`;
}

/** Shows what a rollback would do, and does it.
 * @param {{number: number, onClose: () => void}} props */
function RollBack({ number, onClose }) {
  const preview = useLoaded(`${number}`, async () => (await call("POST", `/revisions/${number}/restore?dryRun=1`, { body: {} })).data);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState(/** @type {import("./rest.js").Failure|null} */ (null));
  const run = async (/** @type {boolean} */ force) => {
    setBusy(true);
    setError(null);
    try {
      await restore(number, force ? { force } : {});
      onClose();
      query({ r: null, with: null });
    } catch (failure) {
      setError(/** @type {import("./rest.js").Failure} */ (failure));
      setBusy(false);
    }
  };
  const p = preview.data;
  const same = p?.changes.length === 0;
  return html`<${Dialog} title=${number === 0 ? "Undo the first revision" : `Roll back to revision ${number}`} wide busy=${busy} onClose=${onClose}>
    <div class="body preview">
      <p class="muted">Frontends and backends become as they were. The result is a new revision, so that it can be undone.</p>
      <${Problem} error=${preview.error} onRetry=${preview.again} />
      ${!p ? !preview.error && html`<${Loading} lines=${4} />` : html`<${PreviewPanels} preview=${p} title="What the rollback does" />`}
      <${Problem} error=${error} />
      ${error?.status === 409 && html`<p class="actions"><${Button} kind="danger" role="admin" busy=${busy} onClick=${() => run(true)}>Roll back without healthy members</${Button}></p>`}
    </div>
    <footer><${Button} disabled=${busy} onClick=${onClose}>Cancel</${Button}><${Button} kind="primary" role="admin" busy=${busy} disabled=${!p || same} onClick=${() => run(false)}>Roll back</${Button}></footer>
  </${Dialog}>`;
}
