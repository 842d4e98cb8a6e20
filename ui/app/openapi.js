// The OpenAPI document of the agent: its operations, and examples of what they take. Pure.

/** @typedef {Record<string, any>} Schema
 * @typedef {{name: string, in: "path"|"query"|"header", required: boolean, description: string, schema: Schema, example: string}} Parameter
 * @typedef {{status: string, description: string, schema?: Schema, type?: string}} Response
 * @typedef {{id: string, method: string, path: string, summary: string, description: string, role: string, parameters: Parameter[],
 *   body?: {type: string, required: boolean, schema: Schema, example: string}, responses: Response[]}} Operation
 * @typedef {{name: string, type: string, required: boolean, description: string}} FieldRow */

const methods = ["get", "post", "put", "patch", "delete"];

/** Replaces a reference by what it names.
 * @param {any} document
 * @param {any} value
 * @returns {any} */
export function follow(document, value) {
  for (let n = 0; value?.$ref && n < 20; n++) value = value.$ref.split("/").slice(1).reduce((/** @type {any} */ v, /** @type {string} */ key) => v?.[key], document);
  return value ?? {};
}

/** All operations, in the order of the document.
 * @param {any} document
 * @returns {Operation[]} */
export function operations(document) {
  return Object.entries(document.paths).flatMap(([path, item]) => methods.filter((m) => item[m]).map((m) => operation(document, path, item, m)));
}

/** @param {any} document
 * @param {string} path
 * @param {any} item
 * @param {string} method
 * @returns {Operation} */
function operation(document, path, item, method) {
  const o = item[method];
  return {
    id: o.operationId ?? `${method}-${path}`, method: method.toUpperCase(), path, summary: o.summary ?? "", description: o.description ?? "", role: o["x-role"] ?? "none",
    parameters: [...(item.parameters ?? []), ...(o.parameters ?? [])].map((p) => parameter(document, p)),
    body: o.requestBody ? body(document, follow(document, o.requestBody)) : undefined,
    responses: Object.entries(o.responses ?? {}).map(([status, r]) => response(document, status, r)),
  };
}

/** @param {any} document
 * @param {any} value
 * @returns {Parameter} */
function parameter(document, value) {
  const p = follow(document, value);
  const schema = follow(document, p.schema);
  return { name: p.name, in: p.in, required: Boolean(p.required), description: p.description ?? "", schema, example: String(p.example ?? schema.examples?.[0] ?? "") };
}

/** @param {any} document
 * @param {any} value */
function body(document, value) {
  const [type, content] = /** @type {[string, any]} */ (Object.entries(value.content)[0]);
  const shown = content.example ?? example(document, content.schema);
  return { type, required: Boolean(value.required), schema: content.schema, example: type.includes("json") ? JSON.stringify(shown, null, 2) : "" };
}

/** @param {any} document
 * @param {string} status
 * @param {any} value
 * @returns {Response} */
function response(document, status, value) {
  const r = follow(document, value);
  const [type, content] = /** @type {[string|undefined, any]} */ (Object.entries(r.content ?? {})[0] ?? []);
  return { status, description: r.description ?? "", type, schema: content?.schema };
}

/** A value that a schema allows: its own example, or one made of its required fields.
 * @param {any} document
 * @param {any} value schema
 * @param {number} [depth]
 * @returns {any} */
export function example(document, value, depth = 0) {
  const s = follow(document, value);
  for (const known of [s.example, s.examples?.[0], s.default, s.const, s.enum?.[0]]) if (known !== undefined) return known;
  if (depth > 4) return null;
  switch (Array.isArray(s.type) ? s.type[0] : s.type) {
    case "string":
      return "";
    case "integer":
    case "number":
      return s.minimum ?? 0;
    case "boolean":
      return false;
    case "array":
      return s.minItems ? [example(document, s.items, depth + 1)] : [];
  }
  const { properties, required } = members(document, s);
  return Object.fromEntries(required.filter((name) => properties[name]).map((name) => [name, example(document, properties[name], depth + 1)]));
}

/** The properties of an object, and of the schemas that it is made of.
 * @param {any} document
 * @param {any} value schema
 * @returns {{properties: Record<string, any>, required: string[]}} */
function members(document, value) {
  const s = follow(document, value);
  const parts = (s.allOf ?? []).map((/** @type {any} */ part) => members(document, part));
  return {
    properties: Object.assign({}, s.properties, ...parts.map((/** @type {any} */ p) => p.properties)),
    required: [...(s.required ?? []), ...parts.flatMap((/** @type {any} */ p) => p.required)],
  };
}

/** The fields of a schema as rows; those of nested objects follow theirs.
 * @param {any} document
 * @param {any} value schema
 * @param {string} [prefix]
 * @returns {FieldRow[]} */
export function fields(document, value, prefix = "") {
  const s = follow(document, value);
  if (s.type === "array") return fields(document, s.items, prefix + "[]");
  const { properties, required } = members(document, s);
  const deep = prefix.split(/[.[]/).length > 3;
  return Object.entries(properties).flatMap(([name, property]) => {
    const path = prefix ? `${prefix}.${name}` : name;
    const p = follow(document, property);
    const row = { name: path, type: typeOf(document, property), required: required.includes(name), description: property.description ?? p.description ?? "" };
    return deep ? [row] : [row, ...fields(document, p, path)];
  });
}

/** The type of a schema in words.
 * @param {any} document
 * @param {any} value schema
 * @returns {string} */
export function typeOf(document, value) {
  const s = follow(document, value);
  if (s.enum) return s.enum.map((/** @type {any} */ v) => JSON.stringify(v)).join(" | ");
  if (s.const !== undefined) return JSON.stringify(s.const);
  const alternatives = s.oneOf ?? s.anyOf;
  if (alternatives && !s.type) return [...new Set(alternatives.map((/** @type {any} */ a) => typeOf(document, a)))].join(" or ");
  if (s.type === "array") return `list of ${typeOf(document, s.items)}`;
  if (Array.isArray(s.type)) return s.type.join(" or ");
  return s.type ?? (s.allOf || s.properties ? "object" : "any");
}

/** The address of a request: path parameters replaced, those of the query appended.
 * @param {Operation} operation
 * @param {Record<string, string>} values by name; empty: not given */
export function addressOf(operation, values) {
  const query = new URLSearchParams();
  let path = operation.path;
  for (const p of operation.parameters) {
    const value = values[p.name] ?? "";
    if (p.in === "path") path = path.replace(`{${p.name}}`, encodeURIComponent(value));
    if (p.in === "query" && value !== "") query.set(p.name, value);
  }
  const text = query.toString();
  return path + (text && "?" + text);
}
