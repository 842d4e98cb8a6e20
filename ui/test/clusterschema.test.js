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
      if (f.name !== "agent") assert.match(source, new RegExp(`[\\s"(\`]${f.name}[\\s")\`]`), f.name);
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
    groups: { members: ["a", "b"], element: "group" },
    properties: { values: { "stonith-enabled": "true" }, rules: [{ id: "r" }] },
  };
  for (const [kind, doc] of Object.entries(docs)) assert.deepEqual(docOf(kind, formOf(kind, { id: "x", ...doc })), doc, kind);
});

test("what was cleared is gone", () => {
  const form = formOf("primitives", { id: "x", agent: "ocf:a:b", params: { ip: "1" }, description: "old", meta: { priority: "1" } });
  const doc = docOf("primitives", { ...form, description: " ", params: [{ name: "", value: "" }, { name: " nic ", value: "" }], meta: [] });
  assert.deepEqual(doc, { agent: "ocf:a:b", params: { nic: "" } });
  assert.throws(() => docOf("primitives", { ...form, rest: "[1]" }), SyntaxError);
  assert.throws(() => docOf("primitives", { ...form, rest: "{" }), SyntaxError);
});
