// The fields of the objects of the cluster's configuration, as the forms draw them. What is not
// here is kept, and shown as JSON. Pure.

import { choice, ids, pairs, part, parts, roles, rules, score, setsOf, text, yesNo } from "./clusterrules.js";
import { alertValues, cloneValues, metaValues, nodeValues, operationValues, propertyValues } from "./clustervalues.js";

/** @typedef {Record<string, any>} Doc
 *  @typedef {{name: string, value: string}} Pair */

/** A field as a form draws it. part: one object, parts: a list of them. of: it belongs to objects whose
 * field element is one of these; usual: the value of that field that is not written; words: what options
 * are called; known: names of pairs that it suggests, with their legal values; folded: it is folded as long as it has nothing.
 * @typedef {{name: string, label: string, type?: "text"|"ids"|"pairs"|"parts"|"part"|"choice", hint?: string, required?: boolean, options?: string[], known?: Record<string, string[]>,
 *   fields?: Shown[], add?: string, of?: string[], usual?: string, words?: Record<string, string>, folded?: boolean}} Shown */

const actions = ["start", "stop", "promote", "demote"];

const description = text("description", "Description");
const ops = parts("ops", "Operations", "Add an operation", [
  text("name", "Name", { required: true, hint: "monitor, start, stop …" }), text("interval", "Interval"), text("timeout", "Timeout"), choice("on-fail", "On failure", operationValues["on-fail"]), choice("role", "Role", roles),
  pairs("params", "Parameters of the operation", { OCF_CHECK_LEVEL: [] }, { folded: true }), pairs("meta", "Meta attributes of the operation", undefined, { folded: true }),
  text("start-delay", "Start delay", { folded: true }), text("interval-origin", "Origin of the interval", { folded: true }), choice("enabled", "Enabled", yesNo, { folded: true }), choice("record-pending", "Record pending", yesNo, { folded: true }), text("description", "Description", { folded: true }),
  setsOf("paramSets", "parameters of the operation"), setsOf("metaSets", "meta attributes of the operation")]);
const sets = (/** @type {Shown[]} */ ...more) => parts("sets", "Sets of resources", "Add a set", [ids("resources", "Resources", "Several separated by spaces"), choice("sequential", "Sequential", yesNo), choice("require-all", "Require all", yesNo), ...more, text("id-ref", "Set elsewhere", { hint: "The id of another set, in place of resources." })]);
const ofAction = choice("action", "Action", actions);
const ofRole = choice("role", "Role", roles);
const params = pairs("params", "Parameters");
const meta = pairs("meta", "Meta attributes", metaValues);
const utilization = pairs("utilization", "Utilization");
const conditional = [setsOf("paramSets", "parameters"), setsOf("metaSets", "meta attributes", metaValues), setsOf("utilizationSets", "utilization")];
const resource = "The id of a resource.";
const values = (/** @type {Record<string, string[]>} */ known) => [pairs("values", "Values", known), text("score", "Score", { hint: "Of several sets, the one with the highest score comes first." }), rules(false)];
const container = part("container", "Container", [
  choice("element", "Made by", ["podman", "docker", "rkt"], { usual: "podman" }), text("image", "Image", { required: true }), text("replicas", "Replicas"), text("replicas-per-host", "Replicas on a node"), text("promoted-max", "Promoted, at most"), text("masters", "Promoted, at most (former name)"), text("run-command", "Command"), text("network", "Network of the container"), text("options", "Options")]);
const network = part("network", "Network", [
  text("ip-range-start", "First address", { hint: "Each replica gets the next one." }), text("control-port", "Control port"), text("host-interface", "Interface of the node"), text("host-netmask", "Prefix length"), choice("add-host", "Add to hosts", yesNo),
  parts("ports", "Ports", "Add a port", [text("port", "Port"), text("internal-port", "Port in the container"), text("range", "Range")])]);
const storage = parts("storage", "Storage", "Add a folder", [text("source-dir", "Folder of the node"), text("source-dir-root", "Folder with one for each replica"), text("target-dir", "Folder in the container", { required: true }), text("options", "Options")]);

/** The fields of each kind, in the order of the form.
 * @type {Record<string, {title: string, fields: Shown[]}>} */
export const schema = {
  primitives: { title: "primitive", fields: [text("agent", "Agent", { hint: "class:provider:type, e.g. ocf:heartbeat:IPaddr2" }), text("template", "Template", { hint: "In place of an agent." }), params, ops, meta, utilization, ...conditional, description] },
  templates: { title: "template", fields: [text("agent", "Agent", { required: true }), params, ops, meta, utilization, ...conditional, description] },
  groups: { title: "group", fields: [ids("members", "Members", "Ids of primitives in their order, separated by spaces."), meta, params, ...conditional.slice(0, 2), description] },
  clones: { title: "clone", fields: [text("member", "Member", { required: true, hint: "The id of a primitive or a group." }), pairs("meta", "Meta attributes", cloneValues), params, ...conditional.slice(0, 2), description] },
  bundles: { title: "bundle", fields: [container, text("member", "Member", { hint: "The id of a primitive in it." }), network, storage, meta, params, ...conditional.slice(0, 2), description] },
  locations: { title: "location", fields: [text("rsc", "Resource", { hint: resource }), text("rsc-pattern", "Pattern of resources", { hint: "A regular expression, in place of a resource." }), text("node", "Node"), score, choice("role", "Role", roles), choice("resource-discovery", "Discovery", ["always", "never", "exclusive"]), rules(true), sets(ofRole)] },
  colocations: { title: "colocation", fields: [text("rsc", "Resource", { hint: "The one that follows." }), choice("rsc-role", "Its role", roles), text("with-rsc", "With resource"), choice("with-rsc-role", "Role of that", roles), score, text("node-attribute", "Node attribute"), choice("influence", "Influence", yesNo, { hint: "Whether the one that follows can move the other." }), sets(ofRole, score)] },
  orders: { title: "order", fields: [text("first", "First"), choice("first-action", "Its action", actions), text("then", "Then"), choice("then-action", "Action of that", actions), choice("kind", "Kind", ["Mandatory", "Optional", "Serialize"]), choice("symmetrical", "Symmetrical", yesNo, { hint: "Whether they are stopped in the other order." }), choice("require-all", "Require all instances", yesNo), sets(ofAction, choice("kind", "Kind", ["Mandatory", "Optional", "Serialize"]))] },
  tickets: { title: "ticket constraint", fields: [text("ticket", "Ticket", { required: true }), text("rsc", "Resource", { hint: resource }), choice("rsc-role", "Its role", roles), choice("loss-policy", "When the ticket is lost", ["stop", "demote", "fence", "freeze"]), sets(ofRole)] },
  fencing: { title: "fencing level", fields: [text("target", "Node"), text("target-pattern", "Pattern of nodes"), text("target-attribute", "Attribute of nodes"), text("target-value", "Its value"), text("index", "Level", { required: true, hint: "1 to 9; the lowest comes first." }), text("devices", "Devices", { required: true, hint: "Ids of fence devices, separated by commas." })] },
  alerts: { title: "alert", fields: [text("path", "Program", { required: true, hint: "The path of a program on each node." }), params, pairs("meta", "Meta attributes", alertValues), { name: "recipients", label: "Recipients", type: "parts", add: "Add a recipient", fields: [text("value", "Value", { required: true }), description, pairs("params", "Parameters", undefined, { folded: true }), pairs("meta", "Meta attributes", alertValues, { folded: true })] }, description] },
  roles: { title: "ACL role", fields: [{ name: "permissions", label: "Permissions", type: "parts", add: "Add a permission", fields: [choice("kind", "Kind", ["read", "write", "deny"]), text("xpath", "XPath"), text("reference", "Reference"), text("object-type", "Object type"), text("attribute", "Attribute")] }, description] },
  targets: { title: "ACL target", fields: [ids("roles", "Roles", "Ids of roles, separated by spaces."), text("name", "Name of the user", { hint: "If it is not the id." })] },
  "acl-groups": { title: "ACL group", fields: [ids("roles", "Roles", "Ids of roles, separated by spaces."), text("name", "Name of the group", { hint: "If it is not the id." })] },
  tags: { title: "tag", fields: [ids("objects", "Objects", "Ids of what has the tag, separated by spaces.")] },
  nodes: { title: "node", fields: [pairs("attributes", "Attributes", nodeValues), utilization, setsOf("attributeSets", "attributes"), description] },
  properties: { title: "set of cluster properties", fields: values(propertyValues) },
  "resource-defaults": { title: "set of resource defaults", fields: values(metaValues) },
  "operation-defaults": { title: "set of operation defaults", fields: values(operationValues) },
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

/** What a form has of the fields of an object.
 * @param {Shown[]} fields
 * @param {Doc} doc
 * @returns {Doc} */
export function shownOf(fields, doc) {
  return Object.fromEntries(fields.map((f) => {
    const v = doc[f.name];
    const inside = f.fields ?? [];
    switch (f.type) {
      case "pairs": return [f.name, Object.entries(v ?? {}).map(([name, value]) => ({ name, value }))];
      case "ids": return [f.name, (v ?? []).join(" ")];
      case "parts": return [f.name, (v ?? []).map((/** @type {Doc} */ one) => ({ ...one, ...shownOf(inside, one) }))];
      case "part": return [f.name, { ...v, ...shownOf(inside, v ?? {}) }];
    }
    return [f.name, v ?? f.usual ?? ""];
  }));
}

/** The fields that belong to an object of a form, by its element.
 * @param {Shown[]} fields
 * @param {Doc} form */
export function fieldsFor(fields, form) {
  return fields.filter((f) => !f.of || f.of.includes(form.element));
}

/** Whether a field of a form has something.
 * @param {Shown} field
 * @param {any} value of the field, as the form has it */
export function isFilled(field, value) {
  return Object.keys(written([field], { [field.name]: value })).length > 0;
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
  for (const f of fieldsFor(fields, form)) {
    const v = form[f.name];
    const inside = f.fields ?? [];
    if (f.type === "pairs") {
      const set = v.filter((/** @type {Pair} */ p) => p.name.trim() !== "");
      if (set.length > 0) out[f.name] = Object.fromEntries(set.map((/** @type {Pair} */ p) => [p.name.trim(), p.value]));
    } else if (f.type === "ids") {
      const list = v.split(/[\s,]+/).filter(Boolean);
      if (list.length > 0) out[f.name] = list;
    } else if (f.type === "parts") {
      const list = v.map((/** @type {Doc} */ one) => partOf(inside, one));
      if (list.length > 0) out[f.name] = list;
    } else if (f.type === "part") {
      const one = partOf(inside, v);
      if (Object.keys(one).some((k) => k !== "id" && k !== "element")) out[f.name] = one;
    } else if (v.trim() !== "" && v !== f.usual) out[f.name] = v.trim();
  }
  return out;
}

/** A part with what its fields say, and all else that it had.
 * @param {Shown[]} fields
 * @param {Doc} one */
function partOf(fields, one) {
  const drawn = new Set(fields.map((f) => f.name));
  return { ...Object.fromEntries(Object.entries(one).filter(([k]) => !drawn.has(k))), ...written(fields, one) };
}
