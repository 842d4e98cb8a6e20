import assert from "node:assert/strict";
import { test } from "node:test";
import { addresses, rawTargets } from "../app/rawlines.js";

test("addresses of the field and of raw lines are shown", () => {
  assert.equal(addresses({ bind: "*:80", natives: [] }), "*:80");
  assert.equal(addresses({ bind: "", natives: ["bind  *:443 ssl crt /x", "binder x"] }), "*:443 ssl crt /x");
  assert.equal(addresses({ bind: "*:80", natives: ["bind *:81"] }), "*:80, *:81");
});

test("raw lines route to backends", () => {
  assert.deepEqual(rawTargets({ bind: "", natives: ['use_backend "a" if TRUE', "default_backend b", "# use_backend c"] }), ["a", "b"]);
});
