import assert from "node:assert/strict";
import test from "node:test";
import { bars, instant, took } from "../app/waterfall.js";

const at = (/** @type {number} */ ms) => new Date(Date.UTC(2026, 10, 29, 12) + ms).toISOString();
const exact = (/** @type {number} */ ms) => ({ earliest: at(ms), latest: at(ms) });
const phase = (/** @type {any} */ begin, /** @type {any} */ end) => ({ name: "address", begin, end, took: { minMs: 0, maxMs: 0 }, recorded: true, sources: [] });

test("durations are exact, or have bounds", () => {
  assert.equal(took({ minMs: 1500, maxMs: 1500 }), "1.5 s");
  assert.equal(took({ minMs: 0, maxMs: 2000 }), "at most 2 s");
  assert.equal(took({ minMs: 1000, maxMs: 2000 }), "1 s to 2 s");
  assert.equal(took({ minMs: 1000, maxMs: -1 }), "at least 1 s");
  assert.equal(took({ minMs: 0, maxMs: -1 }), "not known");
});

test("instants are exact, or between two times", () => {
  const clock = (/** @type {string} */ t) => t.slice(17, 19);
  assert.equal(instant(exact(5000), clock), "05");
  assert.equal(instant({ earliest: at(5000), latest: at(6000) }, clock), "between 05 and 06");
  assert.equal(instant({ earliest: at(5000) }, clock), "after 05");
  assert.equal(instant({ latest: at(5000) }, clock), "before 05");
  assert.equal(instant({}, clock), "not known");
});

test("bars show what is certain and what is possible", () => {
  const list = bars([phase(exact(0), exact(1000)), phase({ earliest: at(1000), latest: at(3000) }, { earliest: at(2000), latest: at(4000) }), phase({ earliest: at(2000), latest: at(3000) }, { earliest: at(3500) })]);
  assert.deepEqual(list, [
    { possible: [0, 0.25], certain: [0, 0.25] },
    { possible: [0.25, 1], certain: null },
    { possible: [0.5, 1], certain: [0.75, 0.875] },
  ]);
});
