// Shares of the traffic between versions. Pure.

/** Weights as percentages that add up to 100; all 0 if all weights are 0.
 * @param {Record<string, number>} weights
 * @returns {Record<string, number>} */
export function percent(weights) {
  const sum = Object.values(weights).reduce((a, b) => a + b, 0);
  /** @type {Record<string, number>} */
  const out = {};
  for (const [version, weight] of Object.entries(weights)) out[version] = sum ? (100 * weight) / sum : 0;
  return out;
}

/** The shares after one version's share was set. The others divide the rest in
 * their proportion, or evenly if they have none.
 * @param {Record<string, number>} parts whole percentages
 * @param {string} moved
 * @param {number} to
 * @returns {Record<string, number>} */
export function move(parts, moved, to) {
  const others = Object.keys(parts).filter((v) => v !== moved);
  if (others.length === 0) return { ...parts, [moved]: 100 };
  const part = Math.min(100, Math.max(0, Math.round(to)));
  const had = others.reduce((n, v) => n + parts[v], 0);
  /** @type {Record<string, number>} */
  const out = {};
  let left = 100 - part;
  others.forEach((v, i) => {
    const share = had ? parts[v] / had : 1 / others.length;
    out[v] = i === others.length - 1 ? left : Math.min(left, Math.round((100 - part) * share));
    left -= out[v];
  });
  /** @type {Record<string, number>} */
  const ordered = {};
  for (const v of Object.keys(parts)) ordered[v] = v === moved ? part : out[v];
  return ordered;
}

/** The versions of a backend, as the body of a switch.
 * @param {{version?: string, versions?: Record<string, number>}} b
 * @returns {{version?: string, versions?: Record<string, number>}} */
export function selection(b) {
  return b.versions ? { versions: b.versions } : { version: b.version };
}

/** The versions of a backend as text: "1.0.0", "1.0.0 90 %, 1.1.0 10 %".
 * @param {{version?: string, versions?: Record<string, number>}} b */
export function describe(b) {
  if (!b.versions) return b.version ?? "";
  return Object.entries(percent(b.versions)).map(([v, p]) => `${v} ${Math.round(p)} %`).join(", ");
}
