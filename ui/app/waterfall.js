// How the phases of a failover are drawn and written. Pure.

import * as format from "./format.js";

/** @typedef {import("./types.js").PastInstant} PastInstant
 *  @typedef {import("./types.js").PastPhase} PastPhase
 *  @typedef {import("./types.js").PastSpan} PastSpan */

/** What the phases are called. */
const names = /** @type {Record<string, string>} */ ({
  detection: "Detection", request: "Request", membership: "Membership", election: "Election of the DC", scheduler: "Scheduler", fencing: "Fencing", stop: "Stop", address: "Address", haproxy: "HAProxy's first good check",
});

/** @param {PastPhase} p */
export function phaseName(p) {
  return names[p.name] ?? p.name;
}

/** A duration: exact, or by its bounds.
 * @param {PastSpan} s */
export function took(s) {
  if (s.maxMs < 0) return s.minMs > 0 ? `at least ${format.duration(s.minMs)}` : "not known";
  if (s.minMs === s.maxMs) return format.duration(s.minMs);
  return s.minMs === 0 ? `at most ${format.duration(s.maxMs)}` : `${format.duration(s.minMs)} to ${format.duration(s.maxMs)}`;
}

/** An instant in words: exact, or between two times.
 * @param {PastInstant} i
 * @param {(time: string) => string} clock */
export function instant(i, clock) {
  if (i.earliest && i.latest) return i.earliest === i.latest ? clock(i.earliest) : `between ${clock(i.earliest)} and ${clock(i.latest)}`;
  if (i.earliest) return `after ${clock(i.earliest)}`;
  return i.latest ? `before ${clock(i.latest)}` : "not known";
}

/** Where the bars of phases are, as parts of the whole from 0 to 1: what is certain, and what
 * is possible. A bar of nothing certain has no certain part.
 * @param {PastPhase[]} phases
 * @returns {{possible: [number, number], certain: [number, number]|null}[]} */
export function bars(phases) {
  const ms = (/** @type {string|undefined} */ time) => (time ? Date.parse(time) : NaN);
  const times = phases.flatMap((p) => [p.begin.earliest, p.begin.latest, p.end.earliest, p.end.latest].map(ms)).filter((t) => !Number.isNaN(t));
  const from = Math.min(...times);
  const whole = Math.max(1, Math.max(...times) - from);
  const part = (/** @type {number} */ t, /** @type {number} */ other) => (Number.isNaN(t) ? other : (t - from) / whole);
  return phases.map((p) => {
    const begin = part(ms(p.begin.latest), 1);
    const end = part(ms(p.end.earliest), 0);
    const first = part(ms(p.begin.earliest), 0);
    return { possible: [first, Math.max(first, part(ms(p.end.latest), 1))], certain: begin <= end ? [begin, end] : null };
  });
}
