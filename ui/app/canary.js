// The canary of a backend: its step, the figures of both versions, and what to do.

import { useState } from "preact/hooks";
import { atOnce } from "./editing.js";
import * as format from "./format.js";
import { html } from "./html.js";
import { object } from "./live.js";
import { Badge, Button, Problem, sentence } from "./parts.js";
import { call } from "./rest.js";

/** @typedef {import("./types.js").Canary} Canary
 *  @typedef {import("./types.js").CanaryFigures} CanaryFigures */

/** The words and the kind of each phase.
 * @type {Record<string, [string, string]>} */
const phases = {
  starting: ["starting", "info"], running: ["running", "info"], paused: ["paused", "fair"], goingBack: ["going back", "bad"],
  done: ["done", "good"], back: ["went back", "bad"], superseded: ["superseded", "fair"], stuck: ["stuck", "bad"],
};

/** Whether a canary is under way.
 * @param {Canary|undefined} c */
function isUnderWay(c) {
  return c !== undefined && !c.ended;
}

/** The canary under way in a row of the overview.
 * @param {{name: string}} props */
export function CanaryBadge({ name }) {
  /** @type {Canary|undefined} */
  const c = object("canary/" + name).value;
  if (!c || !isUnderWay(c)) return null;
  const [words, kind] = phases[c.phase] ?? [c.phase, ""];
  return html`<${Badge} kind=${kind} title=${`Canary of ${c.version}, ${words} at ${c.percent}%`}>canary ${c.percent}%${c.phase === "running" ? "" : ` ${words}`}</${Badge}>`;
}

/** The last canary on the page of a backend.
 * @param {{name: string}} props */
export function CanaryPanel({ name }) {
  /** @type {Canary|undefined} */
  const c = object("canary/" + name).value;
  if (!c) return null;
  const [words, kind] = phases[c.phase] ?? [c.phase, ""];
  const why = [c.reason, c.problem, c.pending && `going back is stored and not yet in effect: ${c.pending}`, c.now && `the backend is at ${c.now}`];
  return html`<section class="panel" aria-label="Canary"><h2>Canary of ${c.version} <${Badge} kind=${kind}>${words} at ${c.percent}%</${Badge}></h2>
    <p class="muted">Steps ${c.steps.map((s) => s + "%").join(", ")}, each for ${c.every.replace(/(?<=[hm])0[ms]/g, "")}.
      ${c.abortOn ? html` Goes back to ${c.from || format.unknown} if <code>${c.abortOn}</code>.` : " No conditions."}</p>
    ${why.filter(Boolean).map((text) => html`<p key=${text}>${sentence(String(text))}</p>`)}
    ${c.new && html`<${Figures} canary=${c} />`}
    ${isUnderWay(c) && html`<${Actions} canary=${c} />`}
  </section>`;
}

/** @param {{canary: Canary}} props */
function Figures({ canary: c }) {
  const row = (/** @type {string} */ version, /** @type {string} */ side, /** @type {CanaryFigures|undefined} */ f) => f && html`<tr key=${side}>
    <th scope="row">${version} <span class="muted">${side}</span></th><td>${f.requests}</td><td>${format.number(f.rate)}</td><td>${f["5xx"]}</td><td>${f.errors}</td><td>${f.responseTimeMs} ms</td></tr>`;
  return html`<p class="more-right" aria-hidden="true">Scroll for more columns →</p><div class="scroll" tabindex="0" role="region" aria-label="Figures by version"><table>
    <thead><tr><th scope="col">Version</th><th scope="col">Requests</th><th scope="col">per second</th><th scope="col">5xx</th><th scope="col">Errors</th><th scope="col">Mean response</th></tr></thead>
    <tbody>${row(c.version, "new", c.new)}${row(c.from || format.unknown, "old", c.old)}</tbody></table></div>
    <p class="muted">For this step, measured over ${Math.round(c.measuredMs / 1000)} s. HAProxy provides mean times, but no percentiles.</p>`;
}

/** @param {{canary: Canary}} props */
function Actions({ canary: c }) {
  const [busy, setBusy] = useState("");
  const [error, setError] = useState(/** @type {any} */ (null));
  const act = async (/** @type {string} */ action) => {
    setBusy(action);
    setError(null);
    try {
      await call("POST", `/backends/${encodeURIComponent(c.backend)}/canary/${action}`);
    } catch (failure) {
      setError(failure);
    } finally {
      setBusy("");
    }
  };
  const button = (/** @type {string} */ action, /** @type {string} */ text, kind = "") => html`<${Button} key=${action} role="deploy" on=${"backend/" + c.backend} kind=${kind}
    busy=${busy === action} disabled=${busy !== "" || !["running", "paused"].includes(c.phase)} onClick=${() => act(action)} ...${atOnce()}>${text}</${Button}>`;
  return html`<${Problem} error=${error} /><p class="canary-actions">
    ${c.phase === "paused" ? button("resume", "Resume") : button("pause", "Pause")} ${button("finish", `All requests to ${c.version}`)} ${button("back", "Go back", "danger")}</p>`;
}
