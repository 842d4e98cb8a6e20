// The config page: the current haproxy.cfg, earlier ones, and their differences.

import { useEffect, useMemo, useState } from "preact/hooks";
import { diff, hunks } from "./diff.js";
import * as format from "./format.js";
import { html } from "./html.js";
import { now, object } from "./live.js";
import { Badge, CopyButton, Empty, Loading, Problem, Title } from "./parts.js";
import { get } from "./rest.js";
import { query, route } from "./router.js";
import { Revisions } from "./revisions.js";
import { Sections } from "./sections.js";
import { Hunks, Source } from "./source.js";
import { useLoaded } from "./loaded.js";

/** @typedef {import("./types.js").Recorded} Recorded */

/** The views of the page. */
const views = [{ view: "", title: "haproxy.cfg" }, { view: "sections", title: "Raw sections" }, { view: "revisions", title: "Revisions" }];

export function ConfigPage() {
  const view = route.value.query.get("view") ?? "";
  const tabs = html`<div class="tabs" role="group" aria-label="View of the configuration">${views.map((v) => html`<button key=${v.view} type="button"
    aria-pressed=${v.view === view ? "true" : "false"} onClick=${() => query({ view: v.view || null, n: null, diff: null, r: null, with: null, q: null, edit: null, new: null })}>${v.title}</button>`)}</div>`;
  if (view === "sections") return html`<div class="head"><${Title}>Config</${Title}></div>${tabs}<${Sections} />`;
  return view === "revisions" ? html`<div class="head"><${Title}>Config</${Title}></div>${tabs}<${Revisions} />` : html`<${Texts} tabs=${tabs} />`;
}

/** The texts of haproxy.cfg: the current one, and those that were in effect.
 * @param {{tabs: any}} props */
function Texts({ tabs }) {
  const status = object("status").value;
  const at = route.value.query;
  const chosen = Number(at.get("n") ?? 0);
  const compare = at.get("diff") !== null;
  const key = `${status?.revision}/${status?.inEffect}/${status?.haproxy?.reloads}`;
  const history = useLoaded(key, (signal) => get("/haproxy/configs", signal));
  /** @type {Recorded[]} */
  const all = history.data ?? [];
  // The agent records a configuration shortly after it takes effect.
  const behind = Boolean(history.data && status && (all[0]?.revision ?? -1) < status.inEffect);
  const [looks, setLooks] = useState({ key: "", left: 0 });
  useEffect(() => {
    if (!behind || (looks.key === key && looks.left === 0)) return undefined;
    const timer = setTimeout(() => {
      setLooks({ key, left: looks.key === key ? looks.left - 1 : 10 });
      history.again();
    }, 500);
    return () => clearTimeout(timer);
  }, [behind, key, looks, history.data]);
  const index = chosen ? all.findIndex((r) => r.number === chosen) : -1;
  const before = all[index + 1];
  const text = useLoaded(chosen ? `n${chosen}` : key, (signal) => (chosen ? get(`/haproxy/configs/${chosen}`, signal).then((r) => r.text) : get("/haproxy/config", signal)));
  const older = useLoaded(chosen && compare && before ? `b${before.number}` : null, (signal) => get(`/haproxy/configs/${before.number}`, signal).then((r) => r.text));
  const show = (/** @type {number} */ n, /** @type {boolean} */ differences) => query({ n: n ? String(n) : null, diff: n && differences ? "1" : null });
  return html`
    <div class="head"><${Title}>Config</${Title}><span class="grow"></span>
      <${CopyButton} text=${text.data} /></div>${tabs}
    <div class="split-page">
      <section class="panel history" aria-label="History"><h2>History</h2>
        <${Problem} error=${history.error} onRetry=${history.again} />
        ${!history.data && !history.error && html`<${Loading} />`}
        <ol class="entries">
          <li><button type="button" class="entry" aria-pressed=${chosen ? "false" : "true"} onClick=${() => show(0, false)}>
            <b>Current</b> <span class="sub">haproxy.cfg on disk, with the current members</span></button></li>
          ${all.map((r) => html`<${Entry} key=${r.number} entry=${r} chosen=${r.number === chosen} onShow=${() => show(r.number, true)} />`)}
        </ol>
        ${history.data && all.length === 0 && html`<p class="muted">No configuration is recorded yet. One is recorded when the revision or the structure of the file changes, not when members change.</p>`}
      </section>
      <section class="panel text" aria-label="haproxy.cfg">
        ${chosen > 0 && html`<div class="tabs" role="group" aria-label="View">
          <button type="button" aria-pressed=${compare ? "true" : "false"} onClick=${() => show(chosen, true)}>Changes</button>
          <button type="button" aria-pressed=${compare ? "false" : "true"} onClick=${() => show(chosen, false)}>Whole file</button></div>`}
        <${Problem} error=${text.error ?? older.error} onRetry=${text.again} />
        ${typeof text.data !== "string" ? !text.error && html`<${Loading} lines=${12} />`
          : chosen && compare ? html`<${Difference} before=${before ? older.data : ""} after=${text.data} first=${!before} />` : html`<${Source} text=${text.data} />`}
      </section>
    </div>`;
}

/** @param {{entry: Recorded, chosen: boolean, onShow: () => void}} props */
function Entry({ entry: r, chosen, onShow }) {
  return html`<li><button type="button" class="entry" aria-pressed=${chosen ? "true" : "false"} onClick=${onShow}>
    <b>Revision ${r.revision}</b> ${r.path && html`<${Badge} kind=${r.path === "reload" ? "fair" : ""}>${r.path}</${Badge}>`}
    <span class="sub">${r.cause || "agent start"}${r.author ? ` by ${r.author}` : ""}</span>
    <span class="sub"><time datetime=${r.time}>${format.clock(r.time, now.peek())}</time> · ${format.bytes(r.size)}</span>
  </button></li>`;
}

/** A text with the fingerprint of the other, which differs whenever anything
 * else does.
 * @param {string} before
 * @param {string} after */
function unnamed(before, after) {
  const name = /^(\s*description "thalassa )[0-9a-f]{12}(")$/m;
  const of = name.exec(after);
  return of ? before.replace(name, of[0].replaceAll("$", "$$$$")) : before;
}

/** @param {{before: string|null, after: string, first: boolean}} props */
function Difference({ before, after, first }) {
  const lines = useMemo(() => (before === null ? null : hunks(diff(unnamed(before, after), after), 3)), [before, after]);
  if (first) return html`<p class="muted">This is the first text that was recorded; there is nothing to compare it with.</p><${Source} text=${after} />`;
  if (!lines) return html`<${Loading} lines=${8} />`;
  if (lines.length <= 1) return html`<${Empty} title="The text is the same as before">The revision changed nothing that HAProxy reads.</${Empty}>`;
  return html`<${Hunks} lines=${lines} />`;
}
