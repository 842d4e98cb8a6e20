// The members of a backend in a table.

import { useRef } from "preact/hooks";
import * as format from "./format.js";
import { Sparkline } from "./graphs.js";
import { classes, html } from "./html.js";
import { follow, now, object } from "./live.js";
import { asked, askedBy, Dormant, MemberState } from "./memberstate.js";
import { meanTime, statusKind } from "./numbers.js";
import { Badge, Empty, useVisible } from "./parts.js";
import { valuesOf } from "./series.js";

/** @typedef {import("./types.js").Member} Member */

/** The id of a member's stat object.
 * @param {string} backend
 * @param {Member} m */
export function statID(backend, m) {
  return `stat/backend/${backend}/${addressOf(m)}`;
}

/** @param {Member} m */
export function addressOf(m) {
  return `${m.host.includes(":") ? `[${m.host}]` : m.host}:${m.port}`;
}

/** @param {{backend: import("./types.js").Backend, full?: boolean}} props full: with the columns that only the page of a backend has room for */
export function Members({ backend, full }) {
  const members = [...(backend.members ?? [])].sort((a, b) => (a.version ?? "").localeCompare(b.version ?? "", "en", { numeric: true })); // stable: by address within a version
  if (members.length === 0) {
    return html`<${Empty} title="No members">${whyNone(backend)}</${Empty}>${full && html`<${Dormant} backend=${backend} />`}`;
  }
  const tcp = backend.mode === "tcp";
  const several = Boolean(backend.versions) || new Set(members.map((m) => m.version)).size > 1;
  return html`<p class="more-right" aria-hidden="true">Scroll for more columns →</p><div class="scroll" tabindex="0" role="region" aria-label=${`Members of ${backend.key}`}>
    <table class=${classes("members", full && "full")}>
      <thead><tr>
        <th scope="col">Member</th>${several && html`<th scope="col">Version</th>`}<th scope="col">Status</th><th scope="col" class="check">Check</th>
        <th scope="col" class="number">Weight</th><th scope="col" class="number rate">${tcp ? "Conn./s" : "Req./s"}</th>
        <th scope="col" class="number">Conn.</th><th scope="col" class="number">Errors/s</th><th scope="col" class="number">${tcp ? "Session" : "Response"}</th>
        ${full && html`<th scope="col" class="number">Bytes out</th><th scope="col">Instance</th><th scope="col">Operator</th>`}
      </tr></thead>
      <tbody>${members.map((m) => html`<${Row} key=${m.host + ":" + m.port} backend=${backend} member=${m} several=${several} tcp=${tcp} full=${full} />`)}</tbody>
    </table>
  </div>${full && html`<${Dormant} backend=${backend} />`}`;
}

/** @param {import("./types.js").Backend} b */
function whyNone(b) {
  if (b.type !== "dynamic") return "No addresses are configured.";
  const of = b.version ?? Object.keys(b.versions ?? {}).join(", ");
  return object("service/" + b.name).value?.known === false
    ? `Consul has not answered for ${b.name} yet. Requests get a 503 until Consul lists a healthy instance of ${of}.`
    : `Consul has no healthy instance of ${b.name} ${of}. Requests get a 503 until there is one.`;
}

/** @param {{backend: import("./types.js").Backend, member: Member, several: boolean, tcp: boolean, full?: boolean}} props */
function Row({ backend, member: m, several, tcp, full }) {
  const ref = useRef(/** @type {HTMLElement|null} */ (null));
  const visible = useVisible(ref);
  /** @type {import("./types.js").Stat|undefined} */
  const stat = follow(statID(backend.key, m), visible);
  const values = stat && valuesOf(stat);
  const since = stat?.check?.sinceMs;
  const about = [m.meta?.hostname, m.meta?.pid && `pid ${m.meta.pid}`].filter(Boolean).join(", ");
  return html`<tr ref=${ref}>
    <th scope="row"><a class="address" href=${`/overview/backends/${encodeURIComponent(backend.key)}?member=${encodeURIComponent(addressOf(m))}`} title="Up and down history">${addressOf(m)}</a></th>
    ${several && html`<td><${Badge} title=${m.version}>${m.version}</${Badge}></td>`}
    <td><${Badge} kind=${statusKind(stat?.status)}>${stat?.status ?? "not in HAProxy"}</${Badge}>${!full && m.override && html` <${Badge} kind="fair" title=${askedBy(m.override)}>${asked(m.override)}</${Badge}>`}</td>
    <td><${Check} check=${stat?.check} />${full && since ? html` <span class="muted">${format.age(since, now.peek())}</span>` : ""}</td>
    <td class="number">${format.number(stat?.weight)}</td>
    <td class="number rate"><${Sparkline} id=${stat?.id} /><span>${format.number(values?.requests)}</span></td>
    <td class="number">${format.number(values?.connections)}</td>
    <td class=${classes("number", values && values.errors > 0 && "bad")}>${format.number(values?.errors)}</td>
    <td class="number">${meanTime(stat, tcp)}</td>
    ${full && html`<td class="number">${values && !Number.isNaN(values.bytesOut) ? format.bytes(values.bytesOut) + "/s" : format.unknown}</td><td class="muted">${about || format.unknown}</td><td class="operator"><${MemberState} backend=${backend} member=${m} /></td>`}
  </tr>`;
}

/** The result of the last check: HAProxy's code. A failed one is explained in view, a
 * passed one in the tooltip.
 * @param {{check: import("./types.js").Stat["check"]}} props */
function Check({ check }) {
  if (!check?.status) return html`<span class="muted">${format.unknown}</span>`;
  const took = check.durationMs !== undefined && `took ${format.duration(check.durationMs)}`;
  const words = [explain(check.status), check.description].filter(Boolean).join("; ");
  return html`<span title=${[words, took].filter(Boolean).join("; ")}>${check.status}${check.code ? ` ${check.code}` : ""}</span>
    ${isFailed(check.status) && html`<span class="sub words">${checkWords(check)}</span>`}`;
}

/** @param {string} status as in HAProxy's column check_status */
export function isFailed(status) {
  return !/^(\* )?(L4OK|L6OK|L7OK|L7OKC|PROCOK|INI|UNK)$/.test(status);
}

/** A check's result in words: its meaning, and what HAProxy saw.
 * @param {NonNullable<import("./types.js").Stat["check"]>} check */
export function checkWords(check) {
  const meaning = explain(check.status);
  // HAProxy's description begins with its own words for the status.
  const saw = (check.description ?? "").replace(/^[^:]*: ?/, "");
  return meaning ? [meaning, saw].filter(Boolean).join(": ") : check.description ?? "";
}

/** @param {string} status as in HAProxy's column check_status */
export function explain(status) {
  /** @type {Record<string, string>} */
  const words = {
    L4OK: "connection accepted", L4TOUT: "connection timed out", L4CON: "connection failed",
    L6OK: "TLS handshake succeeded", L6TOUT: "TLS handshake timed out", L6RSP: "TLS handshake failed", L7OK: "check passed",
    L7OKC: "check passed conditionally", L7TOUT: "no response in time", L7RSP: "invalid response",
    L7STS: "error response", INI: "not checked yet", SOCKERR: "socket error", UNK: "unknown",
    PROCERR: "check program failed", PROCTOUT: "check program timed out", PROCOK: "check program succeeded",
  };
  return words[status.replace(/^\* /, "")] ?? "";
}
