// Words about the objects of the cluster's configuration, and about actions on it. Pure.

/** @typedef {Record<string, any>} Doc an object of the configuration, as the API answers it
 *  @typedef {{kind: string, node?: string, resource?: string, title: string, label: string, done: string, choose?: "node"|"any node"|"down", also?: string[], danger?: string, role?: "admin"}} Action
 * kind: as the API calls it; title: of the dialog; label: of its button; done: the message afterwards;
 * choose: the dialog asks for a node, or whether it was seen to be off; also: other nodes that the same
 * can be done with, at the same time; danger: what may come of it;
 * role: that it needs; without, operate */

/** The color of a state of a cluster, node or resource.
 * @param {string} state */
export function kindOf(state) {
  if (["ok", "online", "started"].includes(state)) return "good";
  if (["errors", "no-quorum", "offline", "unreachable", "unclean", "failed", "blocked"].includes(state)) return "bad";
  return ["stopped", "disabled", "unknown"].includes(state) ? "" : "fair";
}

/** A state of a cluster in words.
 * @param {string} state */
export function light(state) {
  return state.replace("-", " ");
}

/** What an action on a node or a resource is called.
 * @param {string} kind
 * @param {{node?: string, resource?: string}} on
 * @returns {Action} */
export function actionOf(kind, { node, resource }) {
  const it = resource ?? node ?? "the cluster";
  const of = { kind, node, resource };
  const at = resource && node ? ` on ${node}` : "";
  switch (kind) {
    case "standby": return { ...of, label: "Standby", title: `Put ${it} in standby?`, done: `${it} is in standby.` };
    case "online": return { ...of, label: "Bring online", title: `Bring ${it} online?`, done: `${it} is online.` };
    case "maintenance": return { ...of, label: "Start maintenance", title: `Start maintenance of ${it}?`, done: `${it} is in maintenance. Pacemaker starts, stops and moves nothing there.` };
    case "ready": return { ...of, label: "End maintenance", title: `End maintenance of ${it}?`, done: `Maintenance of ${it} ended.` };
    case "cleanup": return { ...of, label: "Clean up", title: `Clean up the failures of ${it}${at}?`, done: `The failures of ${it}${at} are cleared.`, ...(resource && !node ? { choose: /** @type {"any node"} */ ("any node") } : {}) };
    case "refresh": return { ...of, label: "Refresh", title: `Forget all about ${it}${at}, and probe again?`, done: `${it} was probed again.` };
    case "fence": return { ...of, label: "Fence", title: `Fence ${it}?`, done: `${it} was fenced.`, danger: `${it} is turned off or restarted by force. What runs there is lost.` };
    case "clearstate": return { ...of, label: "Confirm it is down", title: `Is ${it} down?`, done: `The cluster takes ${it} for down.`, danger: `Look first. If ${it} is not down, the cluster may run a resource twice and damage data.` };
    case "startup": return { ...of, label: "Start", title: `Start ${it}?`, done: `${node ?? "The cluster"} is online.` };
    case "shutdown": return { ...of, label: "Shut down", title: `Shut down ${it}?`, done: `${node ?? "The cluster"} is shut down. The agents stay up, and start it again.`, danger: node ? `What runs on ${node} moves to other nodes.` : "All nodes stop Pacemaker and corosync. Nothing in the cluster serves anybody until it is started again." };
    case "leave": return { ...of, role: /** @type {"admin"} */ ("admin"), label: "Leave the cluster", title: `Let ${it} leave the cluster?`, done: `${it} has left the cluster.`, danger: `What runs on ${it} moves to other nodes. The others forget it.` };
    case "forget": return { ...of, role: /** @type {"admin"} */ ("admin"), choose: /** @type {"down"} */ ("down"), label: "Forget", title: `Forget ${it}?`, done: `The cluster does not know ${it} any more.`, danger: `Only if ${it} is gone for good. Before it comes back, it must be reinstalled, or leave by the command sudo thalassa cluster leave on it.` };
    case "move":
      if (at) return { ...of, label: "Move here", title: `Move ${it} to ${node}?`, done: `${it} is moved to ${node}.` };
      return { ...of, label: "Move", title: `Move ${it}?`, done: `${it} is moved.`, choose: "node" };
    case "ban":
      if (at) return { ...of, label: `Keep off ${node}`, title: `Keep ${it} off ${node}?`, done: `A constraint keeps ${it} off ${node}. Clear removes it.` };
      return { ...of, label: "Ban", title: `Keep ${it} off a node?`, done: `A constraint keeps ${it} off the node. Clear removes it.`, choose: "node" };
    case "clear": return { ...of, label: "Clear", title: `Remove the bans and moves of ${it}?`, done: `The constraints of bans and moves of ${it} are removed.` };
    case "promote": return { ...of, label: "Promote", title: `Let ${it} be promoted?`, done: `${it} may be promoted.` };
    case "demote": return { ...of, label: "Demote", title: `Demote ${it}?`, done: `${it} is demoted.` };
    case "manage": return { ...of, label: "Manage", title: `Let Pacemaker manage ${it}?`, done: `Pacemaker manages ${it}.` };
    case "unmanage": return { ...of, label: "Unmanage", title: `Keep Pacemaker from managing ${it}?`, done: `Pacemaker does not start or stop ${it}.` };
    case "start": return { ...of, label: "Start", title: `Start ${it}?`, done: `${it} is started.` };
    case "stop": return { ...of, label: "Stop", title: `Stop ${it}?`, done: `${it} is stopped.` };
    case "restart": return { ...of, label: "Restart", title: `Restart ${it}?`, done: `${it} is restarted.` };
  }
  return { ...of, label: kind, title: `${kind} ${it}?`, done: `${kind} ${it}: done.` };
}

/** The actions that a cell offers, of those that the resource is offered: moves, bans, and what is
 * forgotten, are about its node.
 * @param {string[]} kinds
 * @param {{resource: string, node: string, runs: boolean}} cell runs: there */
export function cellActions(kinds, { resource, node, runs }) {
  const about = ["ban", "cleanup", "refresh", ...(runs ? [] : ["move"])];
  return kinds.map((kind) => {
    const a = actionOf(kind, about.includes(kind) ? { resource, node } : { resource });
    return kind === "move" && runs ? { ...a, label: "Move away" } : a;
  });
}

/** A constraint as a sentence without a full stop.
 * @param {string} kind locations, colocations, orders or tickets
 * @param {Doc} o */
export function constraintWords(kind, o) {
  const role = (/** @type {string} */ id, /** @type {string|undefined} */ name) => id + (name ? ` (${name})` : "");
  const sets = (o.sets ?? []).map((/** @type {Doc} */ s) => `{${(s.resources ?? []).join(s.sequential === "false" ? ", " : " → ")}}`).join(" → ");
  switch (kind) {
    case "locations": {
      const who = role(o.rsc ?? (o["rsc-pattern"] ? `resources like ${o["rsc-pattern"]}` : sets), o.role);
      if (o.node) return `${who} ${String(o.score).startsWith("-") ? "off" : "on"} ${o.node}` + (o["resource-discovery"] ? `, discovery ${o["resource-discovery"]}` : "");
      return `${who} where ${(o.rules ?? []).map(ruleWords).join("; ") || "?"}`;
    }
    case "colocations":
      if (!o.rsc) return sets;
      return `${role(o.rsc, o["rsc-role"])} ${String(o.score ?? "0").startsWith("-") ? "away from" : "with"} ${role(o["with-rsc"], o["with-rsc-role"])}` + (o["node-attribute"] ? ` by ${o["node-attribute"]}` : "");
    case "orders": {
      if (!o.first) return sets;
      return `${o["first-action"] ?? "start"} ${o.first}, then ${o["then-action"] ?? o["first-action"] ?? "start"} ${o.then}` + (o.symmetrical === "false" ? ", not the other way round" : "");
    }
    case "tickets":
      return `${role(o.rsc ?? sets, o["rsc-role"])} needs ticket ${o.ticket}` + (o["loss-policy"] ? `; without it: ${o["loss-policy"]}` : "");
  }
  return o.id ?? "";
}

/** A rule in words: its expressions, its score and its role.
 * @param {Doc} rule
 * @returns {string} */
export function ruleWords(rule) {
  if (rule["id-ref"]) return `as in rule ${rule["id-ref"]}`;
  const parts = (rule.expressions ?? []).map((/** @type {Doc} */ e) => {
    if (e.expressions) return `(${ruleWords(e)})`;
    if (e.attribute) return [e.attribute, e.operation, e.value].filter(Boolean).join(" ");
    if (e.operation) return ["date", e.operation, e.start, e.end].filter(Boolean).join(" ");
    return [e.class, e.provider, e.type, e.name, e.interval].filter(Boolean).join(" ");
  });
  const score = rule.score ?? rule["score-attribute"];
  return parts.join(` ${rule["boolean-op"] ?? "and"} `) + (score ? `: ${score}` : "") + (rule.role ? ` (${rule.role})` : "");
}

/** What a constraint weighs: its score, or the kind of an order.
 * @param {string} kind
 * @param {Doc} o */
export function weight(kind, o) {
  if (kind === "orders") return o.kind ?? o.score ?? "Mandatory";
  if (kind === "tickets") return "";
  return o.score ?? (o.rules?.length ? "by rule" : "");
}

/** The base of the pages of another cluster.
 * @param {string} name */
export const baseOf = (name) => "/clusters/" + encodeURIComponent(name);

/** The path of a resource's page, and of a node's.
 * @param {string} id
 * @param {string} [base] of the pages of the cluster */
export const resourcePath = (id, base = "/cluster") => base + "/resources/" + encodeURIComponent(id);

/** @param {string} name
 * @param {string} [base] */
export const nodePath = (name, base = "/cluster") => base + "/nodes/" + encodeURIComponent(name);

/** Which agents have a draft of the cluster's configuration.
 * @param {string[]} kept nodes
 * @returns {string} */
export function keptOn(kept) {
  if (kept.length === 0) return "";
  if (kept.length === 1) return `Only the agent of ${kept[0]} keeps this draft: it has reached no other one.`;
  return `The agents of ${kept.slice(0, -1).join(", ")} and ${kept.at(-1)} keep this draft.`;
}
