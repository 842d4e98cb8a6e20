// The resources of a cluster and the constraints between them, as boxes and lines. Pure.

import { constraintWords, ruleWords, weight } from "./clusterwords.js";

/** @typedef {Record<string, any>} Doc
 *  @typedef {import("./drawing.js").Box} Box
 *  @typedef {import("./drawing.js").Line} Line
 *  @typedef {{kind: string, id: string, words: string, weight: string}} Constraint */

/** The most lines that one constraint draws. */
const mostOfOne = 60;

/** What is drawn of a configuration: a box for each resource that is in no other one, with those in it;
 * nodes, rules and tickets that a constraint names; and a line for each pair of a constraint.
 * @param {Record<string, Doc[]>} all the objects by kind, as the API answers them
 * @returns {{boxes: Box[], lines: Line[], constraints: Constraint[]}} */
export function graphOf(all) {
  const inside = resourcesInside(all);
  /** @type {Map<string, string>} */
  const outer = new Map();
  for (const [id, list] of inside) for (const m of list) outer.set(m, id);
  const top = (/** @type {string} */ id) => {
    let at = id;
    for (let n = 0; outer.has(at) && n < 5; n++) at = /** @type {string} */ (outer.get(at));
    return at;
  };
  /** @type {Map<string, Box>} */
  const boxes = new Map();
  for (const kind of ["primitives", "groups", "clones", "bundles"]) {
    for (const o of all[kind] ?? []) if (!outer.has(o.id)) boxes.set(o.id, { id: o.id, kind: "resource", title: `${kind.slice(0, -1)} ${o.id}`, lines: [o.id, ...content(o.id, kind, o, inside, all)] });
  }
  const tags = new Map((all.tags ?? []).map((t) => [t.id, t.objects ?? []]));
  const other = (/** @type {string} */ id, /** @type {string} */ kind, /** @type {string[]} */ words) => {
    if (!boxes.has(id)) boxes.set(id, { id, kind, lines: words });
    return id;
  };
  /** The boxes of a resource, of those of a tag, or of one that does not exist.
   * @param {string} id
   * @returns {string[]} */
  const places = (id) => (tags.has(id) ? [...new Set(tags.get(id).map(top))].filter((m) => boxes.has(m)) : [boxes.has(top(id)) ? top(id) : other(id, "missing", [id, "does not exist"])]);
  /** @type {Line[]} */
  const lines = [];
  /** @type {Constraint[]} */
  const constraints = [];
  for (const kind of ["locations", "colocations", "orders", "tickets"]) {
    for (const o of all[kind] ?? []) {
      const words = constraintWords(kind, o);
      const score = weight(kind, o);
      constraints.push({ kind, id: o.id, words, weight: score });
      const drawn = pairsOf(kind, o, all, other).flatMap(([a, b]) => (a.startsWith(":") ? [a] : places(a)).flatMap((from) => (b.startsWith(":") ? [b] : places(b)).map((to) => ({ from, to }))));
      const seen = new Set();
      for (const { from, to } of drawn.slice(0, mostOfOne)) {
        if (from === to || seen.has(from + " " + to)) continue;
        seen.add(from + " " + to);
        lines.push(lineOf(kind, o, from, to, score, `${o.id}: ${words}`));
      }
    }
  }
  return { boxes: [...boxes.values()], lines, constraints };
}

/** The ids of what is directly in each resource.
 * @param {Record<string, Doc[]>} all */
function resourcesInside(all) {
  /** @type {Map<string, string[]>} */
  const out = new Map();
  for (const o of all.groups ?? []) out.set(o.id, o.members ?? []);
  for (const o of [...(all.clones ?? []), ...(all.bundles ?? [])]) out.set(o.id, o.member ? [o.member] : []);
  return out;
}

/** What a box says of a resource below its id.
 * @param {string} id
 * @param {string} kind
 * @param {Doc} o
 * @param {Map<string, string[]>} inside
 * @param {Record<string, Doc[]>} all
 * @returns {string[]} */
function content(id, kind, o, inside, all) {
  if (kind === "primitives") return [o.agent ?? (o.template ? `template ${o.template}` : "")];
  const agentOf = (/** @type {string} */ m) => (all.primitives ?? []).find((p) => p.id === m)?.agent;
  /** @type {(of: string) => string[]} */
  const list = (of) => (inside.get(of) ?? []).flatMap((/** @type {string} */ m) => [inside.has(m) ? `group ${m}:` : `${m}${agentOf(m) ? ` (${agentOf(m)})` : ""}`, ...(inside.has(m) ? list(m) : [])]);
  const members = list(id);
  const name = kind === "clones" && (o.element === "master" || o.meta?.promotable === "true") ? "promotable clone" : kind.slice(0, -1);
  return [name + (members.length > 0 ? " of" : ""), ...members.slice(0, 8), ...(members.length > 8 ? [`and ${members.length - 8} more`] : [])];
}

/** What a constraint connects. A text that begins with a colon is the id of a box that is no resource.
 * @param {string} kind
 * @param {Doc} o
 * @param {Record<string, Doc[]>} all
 * @param {(id: string, kind: string, words: string[]) => string} other
 * @returns {[string, string][]} */
function pairsOf(kind, o, all, other) {
  const members = (o.sets ?? []).flatMap((/** @type {Doc} */ s) => s.resources ?? []);
  switch (kind) {
    case "locations": {
      const who = o.rsc ? [o.rsc] : o["rsc-pattern"] ? matching(o["rsc-pattern"], all) : members;
      const target = o.node ? other(`:node ${o.node}`, "cluster-node", [o.node, "node"]) : other(`:rule ${o.id}`, "rule", shortened((o.rules ?? []).map(ruleWords)));
      return who.map((/** @type {string} */ id) => [id, target]);
    }
    case "colocations":
      return o.rsc ? [[o["with-rsc"], o.rsc]] : colocated(o.sets ?? []);
    case "orders":
      return o.first ? [[o.first, o.then]] : ordered(o.sets ?? []);
  }
  const ticket = other(`:ticket ${o.ticket}`, "ticket", [o.ticket, "ticket"]);
  return (o.rsc ? [o.rsc] : members).map((/** @type {string} */ id) => [ticket, id]);
}

/** @param {string[]} words */
function shortened(words) {
  return ["rule", ...words.map((w) => (w.length > 44 ? w.slice(0, 43) + "…" : w))];
}

/** The resources whose ids match a pattern.
 * @param {string} pattern
 * @param {Record<string, Doc[]>} all */
function matching(pattern, all) {
  try {
    const re = new RegExp(pattern);
    return ["primitives", "groups", "clones", "bundles"].flatMap((k) => (all[k] ?? []).map((o) => o.id)).filter((id) => re.test(id));
  } catch {
    return [];
  }
}

/** The pairs of sets of an order: the last ones of a set before the first ones of the next.
 * @param {Doc[]} sets
 * @returns {[string, string][]} */
function ordered(sets) {
  return sets.flatMap((s, n) => {
    const next = sets[n + 1];
    return [...chain(s), ...(next ? edge(s, -1).flatMap((a) => edge(next, 0).map((b) => /** @type {[string, string]} */ ([a, b]))) : [])];
  });
}

/** The pairs of sets of a colocation, the leading one first: a set follows the next one.
 * @param {Doc[]} sets
 * @returns {[string, string][]} */
function colocated(sets) {
  return sets.flatMap((s, n) => {
    const next = sets[n + 1];
    return [...chain(s), ...(next ? edge(next, -1).flatMap((a) => edge(s, 0).map((b) => /** @type {[string, string]} */ ([a, b]))) : [])];
  });
}

/** @param {Doc} s
 * @returns {[string, string][]} */
function chain(s) {
  const list = /** @type {string[]} */ (s.resources ?? []);
  return s.sequential === "false" ? [] : list.slice(1).map((id, i) => [list[i], id]);
}

/** The resource at an end of a set, or all of a set that has no order.
 * @param {Doc} s
 * @param {0|-1} at
 * @returns {string[]} */
function edge(s, at) {
  const list = /** @type {string[]} */ (s.resources ?? []);
  return s.sequential === "false" ? list : list.slice(at === 0 ? 0 : -1, at === 0 ? 1 : undefined);
}

/** @param {string} kind
 * @param {Doc} o
 * @param {string} from
 * @param {string} to
 * @param {string} score
 * @param {string} title
 * @returns {Line} */
function lineOf(kind, o, from, to, score, title) {
  const label = score.replace("INFINITY", "∞");
  const against = String(o.score ?? "").startsWith("-") ? " against" : "";
  switch (kind) {
    case "locations": return { from, to, title, kind: "location" + against, label: o.node ? label : "" };
    case "colocations": return { from, to, title, kind: "colocation" + against, label, arrow: "from" };
    case "tickets": return { from, to, title, kind: "location", label: o["loss-policy"] ?? "", arrow: "none" };
  }
  return { from, to, title, kind: "order", label: label === "Mandatory" ? "" : label, arrow: o.kind === "Serialize" ? "none" : "to" };
}
