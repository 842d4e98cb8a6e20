// What raw lines of haproxy.cfg (natives) say beside the fields of a frontend.

/**
 * The words of a raw line that begins with one of the keywords.
 * @param {import("./types.js").Frontend} f
 * @param {string[]} keywords
 */
function linesOf(f, keywords) {
  return (f.natives ?? []).map((/** @type {string} */ line) => line.trim().split(/\s+/)).filter((words) => keywords.includes(words[0]));
}

/**
 * All addresses that a frontend binds: its field, and those of raw lines.
 * @param {import("./types.js").Frontend} f
 */
export function addresses(f) {
  return [f.bind, ...linesOf(f, ["bind"]).map((words) => words.slice(1).join(" "))].filter(Boolean).join(", ");
}

/**
 * The backends that raw lines of a frontend route to.
 * @param {import("./types.js").Frontend} f
 */
export function rawTargets(f) {
  return linesOf(f, ["use_backend", "default_backend"]).map((words) => (words[1] ?? "").replace(/["']/g, ""));
}
