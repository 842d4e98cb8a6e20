// The steps of a transition as they are drawn: without those that nobody does. Pure.

/** @typedef {import("./types.js").Transition} Transition
 *  @typedef {import("./types.js").TransitionStep} TransitionStep */

/** The steps that are done, and what they wait for: directly, or through steps that only
 * give an order. What another way says already is left out.
 * @param {Transition} graph
 * @returns {{steps: TransitionStep[], edges: {from: number, to: number}[]}} */
export function drawn(graph) {
  const steps = graph.nodes.filter((s) => s.kind !== "pseudo");
  const real = new Set(steps.map((s) => s.id));
  /** @type {Map<number, number[]>} */
  const after = new Map();
  for (const e of graph.edges) after.set(e.from, [...(after.get(e.from) ?? []), e.to]);
  /** @type {Map<number, Set<number>>} */
  const next = new Map(steps.map((s) => [s.id, reached(s.id, after, real)]));
  /** @type {{from: number, to: number}[]} */
  const edges = [];
  for (const [from, targets] of next) {
    for (const to of targets) {
      if (![...targets].some((other) => other !== to && next.get(other)?.has(to))) edges.push({ from, to });
    }
  }
  return { steps, edges };
}

/** The steps that wait for one, directly or through others, in their order.
 * @param {Transition} graph
 * @param {number} id of the step
 * @returns {TransitionStep[]} */
export function waiting(graph, id) {
  const found = new Set([id]);
  for (let before = 0; before < found.size;) {
    before = found.size;
    for (const e of graph.edges) if (found.has(e.from)) found.add(e.to);
  }
  return graph.nodes.filter((s) => s.id !== id && s.kind !== "pseudo" && found.has(s.id)).sort((a, b) => a.order - b.order || a.id - b.id);
}

/** The steps that are done next after one.
 * @param {number} from
 * @param {Map<number, number[]>} after
 * @param {Set<number>} real */
function reached(from, after, real) {
  const found = /** @type {Set<number>} */ (new Set());
  const seen = new Set([from]);
  const open = [...(after.get(from) ?? [])];
  while (open.length > 0) {
    const id = /** @type {number} */ (open.pop());
    if (seen.has(id)) continue;
    seen.add(id);
    if (real.has(id)) found.add(id);
    else open.push(...(after.get(id) ?? []));
  }
  return found;
}

/** What a step is called: "start vip", "fence lb1".
 * @param {TransitionStep} s */
export function label(s) {
  if (s.kind === "fence") return `fence ${s.node ?? ""}`;
  const often = s.intervalMs ? ` every ${s.intervalMs % 1000 === 0 ? s.intervalMs / 1000 + " s" : s.intervalMs + " ms"}` : "";
  return `${s.operation} ${s.resource ?? ""}${often}`.trim();
}
