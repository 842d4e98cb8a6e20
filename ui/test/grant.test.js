import assert from "node:assert/strict";
import { test } from "node:test";
import { allows, limitsOf } from "../app/grant.js";

const on = ["backend/shop-*", "frontend/www", "backend/*-x-*z"];

test("a role counts for the objects that it is limited to", () => {
  /** @type {[any, string, string|undefined, boolean][]} */
  const cases = [
    [{ role: "deploy" }, "deploy", "backend/pay", true],
    [{ role: "deploy" }, "admin", "backend/pay", false],
    [{ role: "deploy" }, "deploy", undefined, true],
    [{ role: "deploy", on }, "deploy", "backend/shop-a", true],
    [{ role: "deploy", on }, "deploy", "backend/shop-", true],
    [{ role: "deploy", on }, "deploy", "backend/shop", false],
    [{ role: "deploy", on }, "deploy", "frontend/www", true],
    [{ role: "deploy", on }, "deploy", "frontend/www2", false],
    [{ role: "deploy", on }, "deploy", "backend/a-x-bz", true],
    [{ role: "deploy", on }, "deploy", "backend/-x-z", true],
    [{ role: "deploy", on }, "deploy", "backend/-x-", false],
    [{ role: "deploy", on }, "deploy", undefined, false],
    [{ role: "deploy", on }, "read", undefined, true],
    [{ role: "deploy", on, see: false }, "read", undefined, false],
    [{ role: "deploy", on, see: false }, "read", "backend/pay", false],
    [{ role: "admin", on }, "admin", "backend/", true],
    [{ role: "admin", on: ["frontend/www"] }, "admin", "backend/", false],
  ];
  for (const [grant, need, object, want] of cases) assert.equal(allows(grant, need, object), want, JSON.stringify([grant, need, object]));
});

test("limits in words", () => {
  assert.equal(limitsOf({ role: "read" }), "everything");
  assert.equal(limitsOf({ role: "read", on: ["backend/a", "frontend/b"], see: false }), "backend/a, frontend/b; the rest is hidden");
});
