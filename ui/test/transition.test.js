import assert from "node:assert/strict";
import { test } from "node:test";
import { drawn, label, waiting } from "../app/transition.js";

/** @param {number} id
 * @param {string} [kind] */
const step = (id, kind = "operation") => ({ id, kind, operation: "start", resource: "r" + id, order: 1 });

test("steps that nobody does are not drawn, and what waits for them waits for those before them", () => {
  const graph = { nodes: [step(1), step(2), step(3, "pseudo"), step(4, "pseudo"), step(5)], edges: [{ from: 1, to: 3 }, { from: 2, to: 3 }, { from: 3, to: 4 }, { from: 4, to: 5 }], depth: 2, width: 2 };
  const { steps, edges } = drawn(graph);
  assert.deepEqual(steps.map((s) => s.id), [1, 2, 5]);
  assert.deepEqual(edges, [{ from: 1, to: 5 }, { from: 2, to: 5 }]);
});

test("what waits for a step waits for it through steps that nobody does, too", () => {
  const graph = { nodes: [step(1, "fence"), step(2, "pseudo"), { ...step(3), order: 3 }, { ...step(4), order: 2 }, step(5)], edges: [{ from: 1, to: 2 }, { from: 2, to: 4 }, { from: 4, to: 3 }, { from: 5, to: 3 }], depth: 3, width: 2 };
  assert.deepEqual(waiting(graph, 1).map((s) => s.id), [4, 3]);
  assert.deepEqual(waiting(graph, 5).map((s) => s.id), [3]);
  assert.deepEqual(waiting(graph, 3), []);
});

test("an edge that another way says already is left out", () => {
  const graph = { nodes: [step(1), step(2), step(3)], edges: [{ from: 1, to: 2 }, { from: 2, to: 3 }, { from: 1, to: 3 }], depth: 3, width: 1 };
  assert.deepEqual(drawn(graph).edges, [{ from: 1, to: 2 }, { from: 2, to: 3 }]);
});

test("a step is called by what it does", () => {
  assert.equal(label({ id: 1, kind: "fence", operation: "stonith", node: "lb1", order: 1 }), "fence lb1");
  assert.equal(label({ id: 1, kind: "operation", operation: "monitor", resource: "vip", intervalMs: 10000, order: 1 }), "monitor vip every 10 s");
  assert.equal(label({ id: 1, kind: "operation", operation: "monitor", resource: "vip", intervalMs: 500, order: 1 }), "monitor vip every 500 ms");
});
