import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { addressOf, example, fields, follow, operations, typeOf } from "../app/openapi.js";

const document = JSON.parse(readFileSync(new URL("../../api/openapi.json", import.meta.url), "utf8"));

test("every operation of the document is shown with all of its parameters", () => {
  const all = operations(document);
  const paths = Object.values(document.paths).flatMap((/** @type {any} */ item) => Object.keys(item).filter((key) => key !== "parameters"));
  assert.equal(all.length, paths.length);
  assert.equal(new Set(all.map((o) => o.id)).size, all.length);
  for (const o of all) {
    assert.ok(o.summary && o.responses.length > 0 && o.role, o.id);
    const inPath = [...o.path.matchAll(/\{(\w+)\}/g)].map((m) => m[1]);
    assert.deepEqual(o.parameters.filter((p) => p.in === "path").map((p) => p.name).sort(), inPath.sort(), o.path);
    for (const p of o.parameters) assert.ok(typeOf(document, p.schema) && p.description, `${o.id} ${p.name}`);
    if (o.body?.type === "application/json") assert.ok(fields(document, o.body.schema).length > 0 && JSON.parse(o.body.example), o.id);
  }
  const put = all.find((o) => o.method === "PUT" && o.path === "/backends/{key}");
  assert.equal(put?.role, "admin");
  assert.ok(fields(document, put?.body?.schema).some((f) => f.name === "members[].host" || f.name === "members.host" || f.name === "health.uri"));
});

test("examples are those of the document, or made of what is required", () => {
  const d = { components: { schemas: { A: { type: "object", required: ["a", "b", "c"], properties: { a: { type: "string", examples: ["x"] }, b: { $ref: "#/components/schemas/B" }, c: { type: "array", items: { type: "integer", minimum: 3 }, minItems: 1 }, d: { type: "string" } } }, B: { enum: ["on", "off"] } } } };
  assert.deepEqual(example(d, { $ref: "#/components/schemas/A" }), { a: "x", b: "on", c: [3] });
  assert.deepEqual(example(d, { allOf: [{ required: ["n"], properties: { n: { type: "boolean" } } }, { required: ["m"], properties: { m: { type: "number" } } }] }), { n: false, m: 0 });
  assert.equal(typeOf(d, { $ref: "#/components/schemas/B" }), '"on" | "off"');
  assert.equal(typeOf(d, { type: "array", items: { type: ["string", "null"] } }), "list of string or null");
  assert.deepEqual(follow(d, { $ref: "#/components/schemas/none" }), {});
});

test("a schema that contains itself has an end", () => {
  const d = { components: { schemas: { Tree: { type: "object", required: ["child"], properties: { child: { $ref: "#/components/schemas/Tree" } } } } } };
  assert.ok(JSON.stringify(example(d, { $ref: "#/components/schemas/Tree" })).length < 200);
  assert.ok(fields(d, { $ref: "#/components/schemas/Tree" }).length < 10);
});

test("the address of a request", () => {
  const o = /** @type {any} */ ({ path: "/backends/{key}/members/{id}", parameters: [{ name: "key", in: "path" }, { name: "id", in: "path" }, { name: "stats", in: "query" }, { name: "draft", in: "query" }, { name: "If-Match", in: "header" }] });
  assert.equal(addressOf(o, { key: "a/b", id: "[::1]:80", stats: "1", draft: "", "If-Match": '"x"' }), "/backends/a%2Fb/members/%5B%3A%3A1%5D%3A80?stats=1");
});
