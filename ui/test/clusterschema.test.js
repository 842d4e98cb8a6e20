import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { docOf, formOf, schema } from "../app/clusterschema.js";

test("every kind has a form, and no other one", () => {
  const source = readFileSync(new URL("../../cluster/config/kind.go", import.meta.url), "utf8");
  const kinds = [...source.matchAll(/^\t\w+ +Kind = "([\w-]+)"/gm)].map((m) => m[1]);
  assert.deepEqual(Object.keys(schema).sort(), kinds.sort());
});

test("fields have names that the API knows", () => {
  const source = readFileSync(new URL("../../cluster/config/kind.go", import.meta.url), "utf8");
  const check = (/** @type {any[]} */ fields) => {
    for (const f of fields) {
      if (f.name !== "agent") assert.match(source, new RegExp(`[\\s"(\`]${f.name.replace(/Sets$/, "s?")}[\\s")\`]`), f.name);
      if (f.fields) check(f.fields);
    }
  };
  for (const { fields } of Object.values(schema)) check(fields);
});

test("what is not drawn is kept, and nothing else changes", () => {
  const docs = {
    primitives: { agent: "ocf:heartbeat:IPaddr2", params: { ip: "192.0.2.9", passwd: "********" }, ops: [{ id: "m", name: "monitor", interval: "10s", params: { OCF_CHECK_LEVEL: "10" } }], metaSets: [{ id: "x", rules: [{ id: "r" }] }], extra: ["<a/>"], ids: { params: "odd" }, order: ["a"] },
    orders: { kind: "Optional", sets: [{ id: "s", resources: ["a", "b"], sequential: "false" }] },
    locations: { rsc: "vip", rules: [{ id: "r", score: "5", expressions: [{ id: "e", attribute: "#uname", operation: "eq", value: "n1" }] }] },
    bundles: { container: { image: "img", replicas: "2" }, network: { ports: [{ id: "p", port: "443" }] }, storage: [{ id: "s", "source-dir": "/a" }], member: "web" },
    colocations: { score: "5", sets: [{ id: "s", resources: ["a", "b"], role: "Promoted", score: "3" }, { id: "t", "id-ref": "s" }] },
    nodes: { attributes: { rack: "1" }, attributeSets: [{ id: "n", score: "4", rules: [{ id: "r", "boolean-op": "or", expressions: [
      { id: "d", element: "date_expression", operation: "date_spec", date_spec: { id: "ds", hours: "9-16", moon: "3" } },
      { id: "g", element: "date_expression", operation: "in_range", start: "2027-01-01", duration: { id: "du", months: "3" } },
      { id: "n1", element: "rule", "boolean-op": "and", expressions: [{ id: "n2", attribute: "#kind", operation: "ne", value: "remote", type: "string" }, { id: "n3", element: "op_expression", name: "monitor" }] }] }], values: { rack: "2" } }] },
    alerts: { path: "/bin/a", recipients: [{ id: "r", value: "x", params: { a: "b" }, extra: ["<a/>"] }] },
    groups: { members: ["a", "b"], element: "group" },
    properties: { values: { "stonith-enabled": "true" }, rules: [{ id: "r" }] },
  };
  for (const [kind, doc] of Object.entries(docs)) assert.deepEqual(docOf(kind, formOf(kind, { id: "x", ...doc })), doc, kind);
});

test("what belongs to another kind of expression is not written", () => {
  const form = formOf("locations", { rsc: "a", rules: [{ expressions: [{ attribute: "rack", operation: "eq", value: "1" }] }] });
  form.rules[0].expressions[0] = { ...form.rules[0].expressions[0], element: "date_expression", operation: "gt", start: "2027-01-01" };
  assert.deepEqual(docOf("locations", form).rules, [{ expressions: [{ element: "date_expression", operation: "gt", start: "2027-01-01" }] }]);
  const bundle = formOf("bundles", { container: { element: "docker", image: "a", replicas: "2" }, network: { "ip-range-start": "192.0.2.1" } });
  assert.equal(bundle.rest, "");
  const doc = docOf("bundles", { ...bundle, container: { ...bundle.container, element: "podman" }, network: { ...bundle.network, "ip-range-start": "" } });
  assert.deepEqual(doc, { container: { image: "a", replicas: "2" } });
});

test("what was cleared is gone", () => {
  const form = formOf("primitives", { id: "x", agent: "ocf:a:b", params: { ip: "1" }, description: "old", meta: { priority: "1" } });
  const doc = docOf("primitives", { ...form, description: " ", params: [{ name: "", value: "" }, { name: " nic ", value: "" }], meta: [] });
  assert.deepEqual(doc, { agent: "ocf:a:b", params: { nic: "" } });
  assert.throws(() => docOf("primitives", { ...form, rest: "[1]" }), SyntaxError);
  assert.throws(() => docOf("primitives", { ...form, rest: "{" }), SyntaxError);
});
