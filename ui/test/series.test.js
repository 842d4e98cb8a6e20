import assert from "node:assert/strict";
import { test } from "node:test";
import { Series, sums, total, valuesOf } from "../app/series.js";

/** @param {number} n */
const all = (n) => ({ requests: n, connections: n, errors: n, responseMs: n, bytesOut: n });

test("a sum contains the known values, and is null without any", () => {
  assert.equal(total([1, NaN, 2]), 3);
  assert.equal(total([0]), 0);
  assert.equal(total([NaN, NaN]), null);
  assert.equal(total([]), null);
});

test("a gap in one of several rows is a gap in their sum, and no dip", () => {
  const rows = [[1, 1, NaN, 1, 1], [NaN, 2, NaN, 2, NaN], [NaN, NaN, NaN, 3, 3], [NaN, NaN, NaN, NaN, NaN]].map((r) => Float64Array.from(r));
  assert.deepEqual([...sums(rows, 5)], [1, 3, NaN, 6, NaN]);
  assert.deepEqual([...sums([], 2)], [NaN, NaN]);
});

test("missing values of an object are unknown", () => {
  const v = valuesOf({ id: "x", type: "backend", key: "x", rate: { sessions: 3, connectErrors: 1, responseErrors: 2 }, connections: { current: 4, max: 9 }, timesMs: { response: 0, total: 8000 } });
  assert.deepEqual(v, { requests: 3, connections: 4, errors: 3, responseMs: 0, bytesOut: NaN });
  const failing = { requests: 9, "5xx": 7, connectErrors: 4, responseErrors: 1 };
  for (const [type, errors] of /** @type {const} */ ([["frontend", 7], ["backend", 7], ["backendMember", 12]])) {
    assert.equal(valuesOf({ id: "x", type, key: "x", rate: failing }).errors, errors);
  }
  assert.deepEqual(valuesOf({ id: "x", type: "frontend", key: "x", rate: { requests: 1, "5xx": 0 } }), { requests: 1, connections: NaN, errors: 0, responseMs: NaN, bytesOut: NaN });
});

test("a second value within a tick replaces the first", () => {
  const s = new Series(1000, 3);
  s.push(1000, all(1));
  s.push(1300, all(2));
  s.push(2100, all(3));
  assert.deepEqual([...s.read("requests")], [NaN, 2, 3]);
});

test("ticks without data repeat the last value, however many", () => {
  const s = new Series(1000, 4);
  s.push(1000, all(1));
  s.push(2000, all(2));
  s.advance(4000);
  assert.deepEqual([...s.read("requests")], [1, 2, 2, 2]);
  assert.equal(s.end, 4000);
  s.advance(1_000_000);
  assert.deepEqual([...s.read("requests")], [2, 2, 2, 2]);
  assert.equal(s.end, 1_000_000);
  s.push(1_001_000, all(7));
  assert.deepEqual([...s.read("requests", 2)], [2, 7]);
});

test("a history longer than the ring is cut at its beginning, a shorter one ends at the end", () => {
  const s = new Series(1000, 3);
  s.load({ interval: 1000, end: 5000, requests: [1, 2, 3, 4], connections: [9] });
  assert.deepEqual([...s.read("requests")], [2, 3, 4]);
  assert.deepEqual([...s.read("connections")], [NaN, NaN, 9]);
  assert.deepEqual([...s.read("errors")], [NaN, NaN, NaN]);
});

test("a series without values stays unknown", () => {
  const s = new Series(1000, 2);
  s.advance(9000);
  assert.deepEqual([...s.read("requests")], [NaN, NaN]);
});
