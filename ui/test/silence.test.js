import assert from "node:assert/strict";
import { test } from "node:test";
import { Silence } from "../app/silence.js";

test("a silent agent is asked once, and given up when it does not answer", () => {
  const s = new Silence();
  s.broken(1000);
  assert.deepEqual([2000, 15_000, 16_000, 17_000, 26_000, 26_001].map((t) => s.turn(t)), ["", "", "ask", "", "", "end"]);
});

test("one that answers is listened to", () => {
  const s = new Silence();
  s.broken(1000);
  assert.equal(s.turn(16_000), "ask");
  s.broken(17_000);
  assert.deepEqual([18_000, 31_999, 32_000].map((t) => s.turn(t)), ["", "", "ask"]);
});

test("after a sleep the agent gets its time to answer", () => {
  const s = new Silence();
  s.broken(1000);
  assert.deepEqual([9_000_000, 9_001_000, 9_010_001].map((t) => s.turn(t)), ["ask", "", "end"]);
});
