import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { actionOf, constraintWords, weight } from "../app/clusterwords.js";

test("each action that the API offers has words of its own", () => {
  const source = readFileSync(new URL("../../cluster/action.go", import.meta.url), "utf8");
  const kinds = [...source.matchAll(/^\t[A-Z]\w+ += "(\w+)"/gm)].map((m) => m[1]);
  assert.ok(kinds.length > 15, String(kinds));
  for (const kind of kinds.filter((k) => !["grant", "revoke", "activate"].includes(k))) {
    const a = actionOf(kind, kind === "fence" ? { node: "n1" } : { resource: "vip" });
    assert.notEqual(a.label, kind, `${kind} has no label`);
    assert.match(a.title + a.done, /n1|vip/, kind);
  }
  assert.equal(actionOf("move", { resource: "vip" }).choose, "node");
  assert.equal(actionOf("cleanup", { resource: "vip" }).choose, "any node");
  assert.equal(actionOf("cleanup", { node: "n1" }).choose, undefined);
  assert.ok(actionOf("fence", { node: "n1" }).danger && actionOf("clearstate", { node: "n1" }).danger);
});

test("constraints in words", () => {
  const cases = /** @type {[string, any, string, string][]} */ ([
    ["locations", { id: "l", rsc: "vip", node: "n1", score: "100" }, "vip on n1", "100"],
    ["locations", { id: "l", rsc: "vip", node: "n1", score: "-INFINITY", role: "Promoted" }, "vip (Promoted) off n1", "-INFINITY"],
    ["locations", { id: "l", "rsc-pattern": "^v", rules: [{ score: "7", "boolean-op": "or", expressions: [{ attribute: "#uname", operation: "eq", value: "n1" }, { operation: "gt", start: "2026-01-01" }] }] }, "resources like ^v where #uname eq n1 or date gt 2026-01-01: 7", "by rule"],
    ["colocations", { id: "c", rsc: "vip", "with-rsc": "db", "with-rsc-role": "Promoted", score: "INFINITY" }, "vip with db (Promoted)", "INFINITY"],
    ["colocations", { id: "c", rsc: "a", "with-rsc": "b", score: "-5" }, "a away from b", "-5"],
    ["orders", { id: "o", first: "db", "first-action": "promote", then: "web", symmetrical: "false" }, "promote db, then promote web, not the other way round", "Mandatory"],
    ["orders", { id: "o", kind: "Optional", sets: [{ resources: ["a", "b"] }, { sequential: "false", resources: ["c", "d"] }] }, "{a → b} → {c, d}", "Optional"],
    ["tickets", { id: "t", rsc: "web", ticket: "T", "loss-policy": "stop" }, "web needs ticket T; without it: stop", ""],
  ]);
  for (const [kind, o, words, score] of cases) {
    assert.equal(constraintWords(kind, o), words);
    assert.equal(weight(kind, o), score);
  }
});
