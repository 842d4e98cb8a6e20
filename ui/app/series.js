// The last values of one object, one per tick. Pure.

/** @typedef {import("./types.js").History} History
 *  @typedef {import("./types.js").Stat} Stat
 *  @typedef {"requests"|"connections"|"errors"|"responseMs"|"bytesOut"} Name */

/** @type {Name[]} */
export const names = ["requests", "connections", "errors", "responseMs", "bytesOut"];

/** The current values of an object; NaN: unknown.
 * @param {Stat} stat
 * @returns {Record<Name, number>} */
export function valuesOf(stat) {
  const rate = stat.rate ?? {};
  const failed = ["5xx", "connectErrors", "responseErrors"].map((name) => rate[name]);
  const [answered, ...lost] = failed.map((n) => n ?? 0);
  // HAProxy counts the 5xx that it answers itself for proxies in mode http, and not for servers.
  const all = stat.type === "backendMember" ? answered + lost[0] + lost[1] : Math.max(answered, lost[0] + lost[1]);
  return {
    requests: rate.requests ?? rate.sessions ?? NaN,
    connections: stat.connections?.current ?? NaN,
    errors: failed.some((n) => n !== undefined) ? all : NaN,
    responseMs: stat.timesMs?.response ?? NaN,
    bytesOut: rate.bytesOut ?? NaN,
  };
}

/** The sum of the known values; null: all are unknown.
 * @param {number[]} values */
export function total(values) {
  const known = values.filter((v) => !Number.isNaN(v));
  return known.length ? known.reduce((a, b) => a + b, 0) : null;
}

/** The sums of several rows of values, NaN where none is known. A row that has a gap makes one in
 * the sums, which would dip without it; before its first value it counts as nothing.
 * @param {Float64Array[]} rows
 * @param {number} size of each row
 * @returns {Float64Array} */
export function sums(rows, size) {
  const out = new Float64Array(size).fill(NaN);
  const gaps = new Set();
  for (const row of rows) {
    const first = row.findIndex((v) => !Number.isNaN(v));
    row.forEach((v, i) => {
      if (!Number.isNaN(v)) out[i] = (Number.isNaN(out[i]) ? 0 : out[i]) + v;
      else if (first >= 0 && i > first) gaps.add(i);
    });
  }
  for (const i of gaps) out[i] = NaN;
  return out;
}

/** A ring buffer of values for each name. A tick without data repeats the last values. */
export class Series {
  /** @param {number} interval milliseconds between two values
   * @param {number} size values kept */
  constructor(interval, size) {
    this.interval = interval;
    this.size = size;
    this.end = 0; // time of the last value; 0: there is none
    this.at = 0; // index behind the last value
    /** @type {Record<string, Float64Array>} */
    this.rings = {};
    for (const name of names) this.rings[name] = new Float64Array(size).fill(NaN);
  }

  /** @param {History} history */
  load(history) {
    for (const name of names) {
      const ring = this.rings[name].fill(NaN);
      const values = (history[name] ?? []).slice(-this.size);
      values.forEach((value, i) => {
        ring[this.size - values.length + i] = value ?? NaN;
      });
    }
    this.at = 0;
    this.end = history.end;
  }

  /** Repeats the last values up to a time.
   * @param {number} time */
  advance(time) {
    if (this.end === 0) return;
    const steps = Math.min(this.size, Math.floor((time - this.end) / this.interval + 0.5));
    for (let i = 0; i < steps; i++) {
      const last = (this.at + this.size - 1) % this.size;
      for (const name of names) this.rings[name][this.at] = this.rings[name][last];
      this.at = (this.at + 1) % this.size;
    }
    if (steps > 0) this.end += Math.max(steps, Math.floor((time - this.end) / this.interval + 0.5)) * this.interval;
  }

  /** Adds the values of a tick. A second call within a tick replaces them.
   * @param {number} time
   * @param {Record<Name, number>} values */
  push(time, values) {
    if (this.end === 0) {
      this.end = time;
      this.at = 1 % this.size;
    } else {
      this.advance(time);
    }
    const last = (this.at + this.size - 1) % this.size;
    for (const name of names) this.rings[name][last] = values[name];
  }

  /** The values of one name, oldest first, NaN where unknown.
   * @param {Name} name
   * @param {number} [last] only so many of the newest
   * @returns {Float64Array} */
  read(name, last = this.size) {
    const ring = this.rings[name];
    const out = new Float64Array(last);
    for (let i = 0; i < last; i++) out[i] = ring[(this.at + this.size - last + i) % this.size];
    return out;
  }
}
