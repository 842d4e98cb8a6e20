import assert from "node:assert/strict";
import { test } from "node:test";
import { graphOf } from "../app/clustergraph.js";

const all = {
  primitives: [{ id: "vip", agent: "ocf:heartbeat:IPaddr2" }, { id: "web", agent: "systemd:web" }, { id: "db", agent: "ocf:x:db" }, { id: "a", agent: "ocf:x:a" }, { id: "b", agent: "ocf:x:b" }],
  groups: [{ id: "g", members: ["a", "b"] }],
  clones: [{ id: "dbs", member: "db", meta: { promotable: "true" } }],
  tags: [{ id: "both", objects: ["vip", "web"] }],
};

/** @param {Record<string, any[]>} more */
const drawn = (more) => graphOf({ ...all, ...more });

test("what is in another resource is in its box", () => {
  const { boxes } = drawn({});
  assert.deepEqual(boxes.map((b) => b.lines), [["vip", "ocf:heartbeat:IPaddr2"], ["web", "systemd:web"], ["g", "group of", "a (ocf:x:a)", "b (ocf:x:b)"], ["dbs", "promotable clone of", "db (ocf:x:db)"]]);
});

test("each constraint is a line to the box of what it names", () => {
  const { boxes, lines, constraints } = drawn({
    locations: [{ id: "l", rsc: "a", node: "n1", score: "-INFINITY" }, { id: "r", rsc: "vip", rules: [{ score: "5", expressions: [{ attribute: "rack", operation: "eq", value: "1" }] }] }],
    colocations: [{ id: "c", rsc: "vip", "with-rsc": "db", "with-rsc-role": "Promoted", score: "INFINITY" }],
    orders: [{ id: "o", first: "dbs", then: "both", kind: "Optional" }, { id: "lost", first: "gone", then: "vip" }],
    tickets: [{ id: "t", rsc: "web", ticket: "site", "loss-policy": "stop" }],
  });
  assert.deepEqual(lines.map((e) => [e.from, e.to, e.kind, e.label]), [
    ["g", ":node n1", "location against", "-∞"], ["vip", ":rule r", "location", ""], ["dbs", "vip", "colocation", "∞"],
    ["dbs", "vip", "order", "Optional"], ["dbs", "web", "order", "Optional"], ["gone", "vip", "order", ""], [":ticket site", "web", "location", "stop"]]);
  assert.deepEqual(boxes.slice(4).map((b) => b.kind), ["cluster-node", "rule", "missing", "ticket"]);
  assert.deepEqual(constraints.map((c) => c.id), ["l", "r", "c", "o", "lost", "t"]);
});

test("sets are chains, or all pairs where they have no order", () => {
  const pairs = (/** @type {any} */ more) => drawn(more).lines.map((e) => `${e.from}-${e.to}`);
  const sets = [{ resources: ["vip", "web"] }, { sequential: "false", resources: ["g", "dbs"] }];
  assert.deepEqual(pairs({ orders: [{ id: "o", sets }] }), ["vip-web", "web-g", "web-dbs"]);
  assert.deepEqual(pairs({ colocations: [{ id: "c", score: "5", sets }] }), ["vip-web", "g-vip", "dbs-vip"]);
  assert.deepEqual(pairs({ locations: [{ id: "l", node: "n1", score: "5", "rsc-pattern": "^(vip|db)$" }] }), ["vip-:node n1", "dbs-:node n1"]);
});
