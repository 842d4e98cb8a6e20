// The fields of the objects of the cluster's configuration, as the forms draw them. What is not
// here is kept, and shown as JSON. Pure.

/** @typedef {Record<string, any>} Doc
 *  @typedef {{name: string, label: string, type?: "text"|"ids"|"pairs"|"parts"|"choice", hint?: string, required?: boolean, options?: string[], known?: string[], fields?: Shown[], add?: string}} Shown
 *  @typedef {{name: string, value: string}} Pair */

/** @param {string} name
 * @param {string} label
 * @param {Partial<Shown>} [more]
 * @returns {Shown} */
const text = (name, label, more = {}) => ({ name, label, ...more });
/** @type {(name: string, label: string, options: string[], hint?: string) => Shown} */
const choice = (name, label, options, hint) => ({ name, label, type: "choice", options, hint });
/** @type {(name: string, label: string, hint?: string) => Shown} */
const ids = (name, label, hint) => ({ name, label, type: "ids", hint });
/** @type {(name: string, label: string, known?: string[], hint?: string) => Shown} */
const pairs = (name, label, known, hint) => ({ name, label, type: "pairs", known, hint });

const metaNames = ["target-role", "is-managed", "maintenance", "priority", "critical", "resource-stickiness", "migration-threshold", "failure-timeout", "multiple-active", "allow-migrate", "allow-unhealthy-nodes", "requires", "remote-node", "remote-addr"];
const cloneNames = ["clone-max", "clone-node-max", "clone-min", "notify", "globally-unique", "ordered", "interleave", "promotable", "promoted-max", "promoted-node-max", "target-role", "is-managed"];
const properties = ["stonith-enabled", "stonith-action", "stonith-timeout", "no-quorum-policy", "symmetric-cluster", "maintenance-mode", "cluster-recheck-interval", "node-health-strategy", "placement-strategy", "priority-fencing-delay", "start-failure-is-fatal", "concurrent-fencing", "fence-reaction", "shutdown-lock", "enable-acl", "stop-all-resources", "transition-delay"];
const roles = ["Started", "Stopped", "Promoted", "Unpromoted"];
const yesNo = ["true", "false"];
const actions = ["start", "stop", "promote", "demote"];

const description = text("description", "Description");
const ops = /** @type {Shown} */ ({ name: "ops", label: "Operations", type: "parts", add: "Add an operation", fields: [
  text("name", "Name", { required: true, hint: "monitor, start, stop …" }), text("interval", "Interval"), text("timeout", "Timeout"), choice("on-fail", "On failure", ["ignore", "block", "demote", "stop", "restart", "fence", "standby", "restart-container"]), choice("role", "Role", roles)] });
const sets = /** @type {Shown} */ ({ name: "sets", label: "Sets of resources", type: "parts", add: "Add a set", fields: [ids("resources", "Resources", "Several separated by spaces"), choice("sequential", "Sequential", yesNo), choice("require-all", "Require all", yesNo), choice("action", "Action", actions), choice("role", "Role", roles)] });
const params = pairs("params", "Parameters");
const meta = pairs("meta", "Meta attributes", metaNames);
const utilization = pairs("utilization", "Utilization");
const resource = "The id of a resource.";
const score = text("score", "Score", { hint: "A number up to 1000000, INFINITY or -INFINITY." });
const values = (/** @type {string[]} */ known) => [pairs("values", "Values", known), text("score", "Score", { hint: "Of several sets, the one with the highest score comes first." })];

/** The fields of each kind, in the order of the form.
 * @type {Record<string, {title: string, fields: Shown[]}>} */
export const schema = {
  primitives: { title: "primitive", fields: [text("agent", "Agent", { hint: "class:provider:type, e.g. ocf:heartbeat:IPaddr2" }), text("template", "Template", { hint: "In place of an agent." }), params, ops, meta, utilization, description] },
  templates: { title: "template", fields: [text("agent", "Agent", { required: true }), params, ops, meta, utilization, description] },
  groups: { title: "group", fields: [ids("members", "Members", "Ids of primitives in their order, separated by spaces."), meta, params, description] },
  clones: { title: "clone", fields: [text("member", "Member", { required: true, hint: "The id of a primitive or a group." }), pairs("meta", "Meta attributes", cloneNames), params, description] },
  bundles: { title: "bundle", fields: [text("member", "Member", { hint: "The id of a primitive in it." }), meta, description] },
  locations: { title: "location", fields: [text("rsc", "Resource", { hint: resource }), text("rsc-pattern", "Pattern of resources", { hint: "A regular expression, in place of a resource." }), text("node", "Node"), score, choice("role", "Role", roles), choice("resource-discovery", "Discovery", ["always", "never", "exclusive"])] },
  colocations: { title: "colocation", fields: [text("rsc", "Resource", { hint: "The one that follows." }), choice("rsc-role", "Its role", roles), text("with-rsc", "With resource"), choice("with-rsc-role", "Role of that", roles), score, text("node-attribute", "Node attribute"), sets] },
  orders: { title: "order", fields: [text("first", "First"), choice("first-action", "Its action", actions), text("then", "Then"), choice("then-action", "Action of that", actions), choice("kind", "Kind", ["Mandatory", "Optional", "Serialize"]), choice("symmetrical", "Symmetrical", yesNo, "Whether they are stopped in the other order."), sets] },
  tickets: { title: "ticket constraint", fields: [text("ticket", "Ticket", { required: true }), text("rsc", "Resource", { hint: resource }), choice("rsc-role", "Its role", roles), choice("loss-policy", "When the ticket is lost", ["stop", "demote", "fence", "freeze"]), sets] },
  fencing: { title: "fencing level", fields: [text("target", "Node"), text("target-pattern", "Pattern of nodes"), text("target-attribute", "Attribute of nodes"), text("target-value", "Its value"), text("index", "Level", { required: true, hint: "1 to 9; the lowest comes first." }), text("devices", "Devices", { required: true, hint: "Ids of fence devices, separated by commas." })] },
  alerts: { title: "alert", fields: [text("path", "Program", { required: true, hint: "The path of a program on each node." }), params, pairs("meta", "Meta attributes", ["timeout", "timestamp-format", "enabled"]), { name: "recipients", label: "Recipients", type: "parts", add: "Add a recipient", fields: [text("value", "Value", { required: true }), description] }, description] },
  roles: { title: "ACL role", fields: [{ name: "permissions", label: "Permissions", type: "parts", add: "Add a permission", fields: [choice("kind", "Kind", ["read", "write", "deny"]), text("xpath", "XPath"), text("reference", "Reference"), text("object-type", "Object type"), text("attribute", "Attribute")] }, description] },
  targets: { title: "ACL target", fields: [ids("roles", "Roles", "Ids of roles, separated by spaces."), text("name", "Name of the user", { hint: "If it is not the id." })] },
  "acl-groups": { title: "ACL group", fields: [ids("roles", "Roles", "Ids of roles, separated by spaces."), text("name", "Name of the group", { hint: "If it is not the id." })] },
  tags: { title: "tag", fields: [ids("objects", "Objects", "Ids of what has the tag, separated by spaces.")] },
  nodes: { title: "node", fields: [pairs("attributes", "Attributes", ["standby", "maintenance"]), utilization, description] },
  properties: { title: "set of cluster properties", fields: values(properties) },
  "resource-defaults": { title: "set of resource defaults", fields: values(metaNames) },
  "operation-defaults": { title: "set of operation defaults", fields: values(["timeout", "on-fail", "record-pending", "interval"]) },
};

/** What a form has of an object. rest: what no field draws, as JSON.
 * @param {string} kind
 * @param {Doc} doc */
export function formOf(kind, doc) {
  const fields = schema[kind].fields;
  const drawn = new Set(["id", ...fields.map((f) => f.name)]);
  const rest = Object.fromEntries(Object.entries(doc).filter(([k]) => !drawn.has(k)));
  return { ...shownOf(fields, doc), rest: Object.keys(rest).length > 0 ? JSON.stringify(rest, null, 2) : "" };
}

/** @param {Shown[]} fields
 * @param {Doc} doc
 * @returns {Doc} */
function shownOf(fields, doc) {
  return Object.fromEntries(fields.map((f) => {
    const v = doc[f.name];
    if (f.type === "pairs") return [f.name, Object.entries(v ?? {}).map(([name, value]) => ({ name, value }))];
    if (f.type === "ids") return [f.name, (v ?? []).join(" ")];
    if (f.type === "parts") return [f.name, (v ?? []).map((/** @type {Doc} */ part) => ({ ...part, ...shownOf(f.fields ?? [], part) }))];
    return [f.name, v ?? ""];
  }));
}

/** The object that a form describes, without its id.
 * @param {string} kind
 * @param {Doc} form
 * @throws {SyntaxError} rest is no JSON */
export function docOf(kind, form) {
  const rest = form.rest.trim() ? JSON.parse(form.rest) : {};
  if (typeof rest !== "object" || rest === null || Array.isArray(rest)) throw new SyntaxError("is no JSON object");
  return { ...rest, ...written(schema[kind].fields, form) };
}

/** @param {Shown[]} fields
 * @param {Doc} form
 * @returns {Doc} */
function written(fields, form) {
  /** @type {Doc} */
  const out = {};
  for (const f of fields) {
    const v = form[f.name];
    if (f.type === "pairs") {
      const set = v.filter((/** @type {Pair} */ p) => p.name.trim() !== "");
      if (set.length > 0) out[f.name] = Object.fromEntries(set.map((/** @type {Pair} */ p) => [p.name.trim(), p.value]));
    } else if (f.type === "ids") {
      const list = v.split(/[\s,]+/).filter(Boolean);
      if (list.length > 0) out[f.name] = list;
    } else if (f.type === "parts") {
      const list = v.map((/** @type {Doc} */ part) => partOf(f.fields ?? [], part));
      if (list.length > 0) out[f.name] = list;
    } else if (v.trim() !== "") out[f.name] = v.trim();
  }
  return out;
}

/** A part with what its fields say, and all else that it had.
 * @param {Shown[]} fields
 * @param {Doc} part */
function partOf(fields, part) {
  const drawn = new Set(fields.map((f) => f.name));
  return { ...Object.fromEntries(Object.entries(part).filter(([k]) => !drawn.has(k))), ...written(fields, part) };
}
