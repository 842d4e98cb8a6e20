// The fields of rules, and of the sets of attributes that have them. Pure.

/** @typedef {import("./clusterschema.js").Shown} Shown */

/** @param {string} name
 * @param {string} label
 * @param {Partial<Shown>} [more]
 * @returns {Shown} */
export const text = (name, label, more = {}) => ({ name, label, ...more });
/** @type {(name: string, label: string, options: string[], more?: Partial<Shown>) => Shown} */
export const choice = (name, label, options, more = {}) => ({ name, label, type: "choice", options, ...more });
/** @type {(name: string, label: string, hint?: string) => Shown} */
export const ids = (name, label, hint) => ({ name, label, type: "ids", hint });
/** @type {(name: string, label: string, known?: Record<string, string[]>, more?: Partial<Shown>) => Shown} */
export const pairs = (name, label, known, more = {}) => ({ name, label, type: "pairs", known, ...more });
/** @type {(name: string, label: string, add: string, fields: Shown[], more?: Partial<Shown>) => Shown} */
export const parts = (name, label, add, fields, more = {}) => ({ name, label, type: "parts", add, fields, ...more });
/** @type {(name: string, label: string, fields: Shown[], more?: Partial<Shown>) => Shown} */
export const part = (name, label, fields, more = {}) => ({ name, label, type: "part", fields, ...more });

export const roles = ["Started", "Stopped", "Promoted", "Unpromoted"];
export const yesNo = ["true", "false"];
export const score = text("score", "Score", { hint: "A number up to 1000000, INFINITY or -INFINITY." });

const times = ["hours", "monthdays", "weekdays", "yeardays", "months", "weeks", "years", "weekyears"].map((n) => text(n, n[0].toUpperCase() + n.slice(1)));
const durations = ["years", "months", "weeks", "days", "hours", "minutes", "seconds"].map((n) => text(n, n[0].toUpperCase() + n.slice(1)));

// The kinds of expressions, by the names of their elements.
const attribute = "expression";
const date = "date_expression";
const nested = "rule";

/** What a rule compares, with rules in it up to a depth.
 * @param {number} depth
 * @returns {Shown[]} */
function expressionFields(depth) {
  return [
    choice("element", "Compares", [attribute, date, ...(depth > 0 ? [nested] : []), "rsc_expression", "op_expression"], { usual: attribute, words: { [attribute]: "an attribute", [date]: "the time", [nested]: "a rule in the rule", rsc_expression: "the kind of resource", op_expression: "the operation" } }),
    text("attribute", "Attribute", { required: true, of: [attribute], hint: "Such as #uname, or one of nodes." }),
    choice("operation", "Comparison", ["eq", "ne", "lt", "lte", "gt", "gte", "defined", "not_defined"], { required: true, of: [attribute] }),
    text("value", "Value", { of: [attribute] }),
    choice("type", "Compared as", ["string", "integer", "number", "version"], { of: [attribute] }),
    choice("value-source", "Value is", ["literal", "param", "meta"], { of: [attribute], words: { literal: "as written", param: "the name of a parameter", meta: "the name of a meta attribute" } }),
    choice("operation", "Comparison", ["gt", "lt", "in_range", "date_spec"], { required: true, of: [date], words: { gt: "after the start", lt: "before the end", in_range: "from start to end", date_spec: "at these times" } }),
    text("start", "Start", { of: [date], hint: "Such as 2027-01-31 or 2027-01-31 08:00." }),
    text("end", "End", { of: [date] }),
    part("duration", "Duration, in place of the end", durations, { of: [date], folded: true }),
    part("date_spec", "Times", times, { of: [date], folded: true }),
    choice("boolean-op", "Holds if", ["and", "or"], { of: [nested], words: { and: "all of it holds", or: "one of it holds" } }),
    ...(depth > 0 ? [parts("expressions", "Expressions", "Add an expression", expressionFields(depth - 1), { of: [nested] })] : []),
    text("class", "Class", { of: ["rsc_expression"] }),
    text("provider", "Provider", { of: ["rsc_expression"] }),
    text("type", "Type", { of: ["rsc_expression"] }),
    text("name", "Operation", { required: true, of: ["op_expression"] }),
    text("interval", "Interval", { of: ["op_expression"] }),
  ];
}

/** Rules. Those of a location have a score for where they hold.
 * @param {boolean} located
 * @returns {Shown} */
export const rules = (located) => parts("rules", "Rules", "Add a rule", [
  ...(located ? [score, text("score-attribute", "Score from an attribute", { hint: "The node attribute that has the score." }), choice("role", "Role", roles)] : [text("score", "Score")]),
  choice("boolean-op", "Holds if", ["and", "or"], { words: { and: "all expressions hold", or: "one expression holds" } }),
  parts("expressions", "Expressions", "Add an expression", expressionFields(3), { required: true }),
  text("id-ref", "Rule elsewhere", { hint: "The id of another rule, in place of expressions." }),
]);

/** Further sets of name-value pairs, which a rule or a score chooses.
 * @param {string} name
 * @param {string} of what they hold
 * @param {Record<string, string[]>} [known]
 * @returns {Shown} */
export const setsOf = (name, of, known) => parts(name, `Sets of ${of} with rules`, "Add a set", [
  text("score", "Score", { hint: "The set with the highest score comes first." }), rules(false), pairs("values", "Values", known), text("id-ref", "Set elsewhere", { hint: "The id of another set, in place of values." })], { folded: true });
