import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { actionOf, baseOf, cellActions, constraintWords, keptOn, kindOf, light, nodePath, resourcePath, weight } from "../app/clusterwords.js";

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

test("a cell offers what concerns its node for its node", () => {
  const kinds = ["stop", "restart", "move", "ban", "clear", "cleanup"];
  const there = cellActions(kinds, { resource: "vip", node: "n1", runs: true });
  assert.deepEqual(there.map((a) => a.label), ["Stop", "Restart", "Move away", "Keep off n1", "Clear", "Clean up"]);
  assert.deepEqual(there.map((a) => a.node), [undefined, undefined, undefined, "n1", undefined, "n1"]);
  assert.deepEqual(there.map((a) => a.choose), [undefined, undefined, "node", undefined, undefined, undefined]);
  const elsewhere = cellActions(kinds, { resource: "vip", node: "n2", runs: false });
  assert.deepEqual([elsewhere[2].label, elsewhere[2].node, elsewhere[2].choose, elsewhere[2].title], ["Move here", "n2", undefined, "Move vip to n2?"]);
  assert.deepEqual(cellActions([], { resource: "vip", node: "n1", runs: true }), []);
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

test("a light of another cluster has a color and words", () => {
  assert.deepEqual(["ok", "no-fencing", "errors", "no-quorum", "offline", "unreachable", "maintenance", "unknown"].map(kindOf), ["good", "fair", "bad", "bad", "bad", "bad", "fair", ""]);
  assert.equal(light("no-quorum"), "no quorum");
});

test("the pages of another cluster are below its name", () => {
  assert.equal(resourcePath("a b", baseOf("paris")), "/clusters/paris/resources/a%20b");
  assert.equal(nodePath("n1"), "/cluster/nodes/n1");
});

test("who takes a node out needs the role admin, and is asked whether a gone one is off", () => {
  const [leave, forget] = ["leave", "forget"].map((kind) => actionOf(kind, { node: "n1" }));
  assert.deepEqual([leave.role, leave.choose, forget.role, forget.choose], ["admin", undefined, "admin", "down"]);
  assert.ok(leave.danger && forget.danger);
  assert.equal(actionOf("shutdown", { node: "n1" }).role, undefined);
});

test("a draft says which agents keep it, and that one alone does", () => {
  assert.equal(keptOn([]), "");
  assert.equal(keptOn(["n1"]), "Only the agent of n1 keeps this draft: it has reached no other one.");
  assert.equal(keptOn(["n1", "n2", "n3"]), "The agents of n1, n2 and n3 keep this draft.");
});
