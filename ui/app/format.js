// Numbers, sizes, times and ages as text. Pure.

/** Stands for an unknown value. */
export const unknown = "–";

/** A number in at most four characters and a letter: 0.4, 12, 3.4k, 12M.
 * @param {number|null|undefined} n */
export function number(n) {
  if (n === null || n === undefined || Number.isNaN(n)) return unknown;
  const size = Math.abs(n);
  if (size >= 999_500_000) return trim(n / 1e9) + "G";
  if (size >= 999_500) return trim(n / 1e6) + "M";
  if (size >= 9_999.5) return trim(n / 1e3) + "k";
  return size >= 10 || Number.isInteger(n) ? Math.round(n).toLocaleString("en-US") : trim(n);
}

/** @param {number} n */
function trim(n) {
  if (Math.abs(n) >= 99.95) return String(Math.round(n));
  return n.toFixed(1).replace(/\.0$/, "");
}

/** @param {number|null|undefined} n bytes */
export function bytes(n) {
  if (n === null || n === undefined || Number.isNaN(n)) return unknown;
  const units = ["B", "kB", "MB", "GB", "TB"];
  let unit = 0;
  while (n >= 999.5 && unit < units.length - 1) {
    n /= 1000;
    unit++;
  }
  return (unit === 0 ? String(Math.round(n)) : trim(n)) + " " + units[unit];
}

/** @param {number|null|undefined} ms */
export function duration(ms) {
  if (ms === null || ms === undefined || Number.isNaN(ms)) return unknown;
  if (ms < 1) return ms === 0 ? "0 ms" : "<1 ms";
  if (ms < 1000) return Math.round(ms) + " ms";
  const s = ms / 1000;
  if (s < 60) return trim(s) + " s";
  if (s < 3600) return Math.floor(s / 60) + " min" + (s < 600 && Math.floor(s % 60) ? " " + Math.floor(s % 60) + " s" : "");
  if (s < 86_400) return Math.floor(s / 3600) + " h " + Math.floor((s % 3600) / 60) + " min";
  return Math.floor(s / 86_400) + " d " + Math.floor((s % 86_400) / 3600) + " h";
}

/** How long ago, as text that changes rarely.
 * @param {number} time
 * @param {number} now */
export function age(time, now) {
  const ms = Math.max(0, now - time);
  return ms < 5000 ? "just now" : duration(ms < 60_000 ? Math.floor(ms / 1000) * 1000 : ms) + " ago";
}

/** The time of day, with the date if it is not today.
 * @param {number|string} time
 * @param {number} now */
export function clock(time, now) {
  const t = new Date(time);
  const two = (/** @type {number} */ n) => String(n).padStart(2, "0");
  const day = t.toDateString() === new Date(now).toDateString() ? "" : `${t.getFullYear()}-${two(t.getMonth() + 1)}-${two(t.getDate())} `;
  return day + [t.getHours(), t.getMinutes(), t.getSeconds()].map(two).join(":");
}

/** "1 member", "3 members".
 * @param {number} n
 * @param {string} word */
export function count(n, word) {
  return number(n) + " " + word + (n === 1 ? "" : "s");
}
