// The filter of the overview. Pure.

/** @type {{name: string, title: string}[]} */
export const filters = [
  { name: "all", title: "All" },
  { name: "problems", title: "With problems" },
  { name: "dynamic", title: "From Consul" },
  { name: "static", title: "Static" },
];

/** @typedef {{text: string, only: string, stat?: import("./types.js").Stat, service?: import("./types.js").Service}} Context */

/** Whether to show an object. It must contain every word of the text.
 * @param {any} o frontend or backend
 * @param {Context} context */
export function chosen(o, context) {
  const { text, only } = context;
  if (only === "problems" && !troubled(o, context)) return false;
  if ((only === "dynamic" || only === "static") && o.type !== only) return false;
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return true;
  const hay = textOf(o);
  return words.every((word) => hay.includes(word));
}

/** Whether an object has a problem.
 * @param {any} o
 * @param {{stat?: import("./types.js").Stat, service?: import("./types.js").Service}} context */
export function troubled(o, { stat, service }) {
  if (service && (service.hold || service.stale)) return true;
  const rate = stat?.rate ?? {};
  if ((rate["5xx"] ?? 0) + (rate.connectErrors ?? 0) + (rate.responseErrors ?? 0) > 0) return true;
  if (o.id.startsWith("frontend/")) return stat !== undefined && stat.status !== "OPEN" && stat.status !== "UP";
  return stat !== undefined && ((stat.healthy ?? 0) < (stat.members ?? 0) || stat.members === 0);
}

/** @param {any} o */
function textOf(o) {
  const parts = [o.key, o.name, o.version, ...Object.keys(o.versions ?? {}), o.bind, o.backend, o.balance, o.mode,
    ...(o.members ?? []).map((/** @type {any} */ m) => `${m.host}:${m.port}`), ...(o.rules ?? []).map((/** @type {any} */ r) => `${r.value} ${r.backend}`)];
  return parts.filter(Boolean).join(" ").toLowerCase();
}
