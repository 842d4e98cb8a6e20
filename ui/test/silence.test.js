import assert from "node:assert/strict";
import { test } from "node:test";
import { Silence } from "../app/silence.js";

test("a silent agent is asked once, and the connection ends without an answer", () => {
  const s = new Silence();
  s.heardFrom(1000);
  assert.deepEqual([2000, 15_000, 16_000, 17_000, 26_000, 26_001].map((t) => s.check(t)), ["", "", "ask", "", "", "end"]);
});

test("an answer keeps the connection", () => {
  const s = new Silence();
  s.heardFrom(1000);
  assert.equal(s.check(16_000), "ask");
  s.heardFrom(17_000);
  assert.deepEqual([18_000, 31_999, 32_000].map((t) => s.check(t)), ["", "", "ask"]);
});

test("after a sleep the agent has the usual time to answer", () => {
  const s = new Silence();
  s.heardFrom(1000);
  assert.deepEqual([9_000_000, 9_001_000, 9_010_001].map((t) => s.check(t)), ["ask", "", "end"]);
});
