// Statistics of one object for rows and tiles.

import * as format from "./format.js";
import { classes, html } from "./html.js";
import { Sparkline } from "./graphs.js";
import { valuesOf } from "./series.js";

/** @typedef {import("./types.js").Stat} Stat */

/** A number with its label.
 * @param {{label: string, value: any, kind?: string, children?: any, class?: string}} props */
export function Figure({ label, value, kind = "", children, class: extra }) {
  return html`<div class=${classes("figure", kind, extra)}><span class="value">${value}</span><span class="name">${label}</span>${children}</div>`;
}

/** Requests, connections, errors and response time of an object in a row.
 * @param {{stat: Stat|undefined, tcp?: boolean, responses?: boolean}} props */
export function Figures({ stat, tcp, responses = true }) {
  const values = stat && valuesOf(stat);
  const c = stat?.connections;
  return html`<div class="figures">
    <div class="figure wide"><${Sparkline} id=${stat?.id} /><span class="value">${format.number(values?.requests)}</span>
      <span class="name">${tcp ? "connections/s" : "requests/s"}</span></div>
    <${Figure} label="connections" value=${html`${format.number(c?.current)}<small title="Peak"> / ${format.number(c?.max)}</small>`} />
    <${Figure} label="errors/s" kind=${values && values.errors > 0 ? "bad" : ""} value=${format.number(values?.errors)} />
    ${responses && html`<${Figure} label=${tcp ? "session" : "response"} value=${meanTime(stat, tcp)} />`}
  </div>`;
}

/** HAProxy's mean response time; in mode tcp, the mean session time. The total time
 * of a request is not used: it includes the transfer.
 * @param {Stat|undefined} stat
 * @param {boolean} [tcp] */
export function meanTime(stat, tcp) {
  const ms = tcp ? stat?.timesMs?.total : stat?.timesMs?.response;
  return ms === 0 && (stat?.rate?.requests ?? 0) > 0 ? "<1 ms" : format.duration(ms); // HAProxy's means are whole milliseconds
}

/** HAProxy's status of a proxy, without the counts that a backend's status has.
 * @param {Stat|undefined} stat */
export function statusOf(stat) {
  return stat?.status?.replace(/ \(.*\)$/, "");
}

/** The color class for HAProxy's status of a server.
 * @param {string|undefined} status e.g. "UP", "UP 1/3", "DOWN", "MAINT", "no check" */
export function statusKind(status) {
  if (!status) return "";
  if (status.startsWith("UP") || status === "no check" || status === "OPEN") return status.includes("/") ? "fair" : "good";
  return status.startsWith("DOWN") ? "bad" : "fair";
}
