import assert from "node:assert/strict";
import { test } from "node:test";
import { ownPath } from "../app/path.js";

test("a path of this address stays, and what leads elsewhere is none", () => {
  const origin = "https://lb.example:10000";
  for (const path of ["/overview", "/app/a/b?x=1#y", "/"]) assert.equal(ownPath(path, origin), path);
  for (const text of ["", "overview", "//evil.example/a", "/\\evil.example/a", "/\t/evil.example/a/b", "/\n/evil.example", "https://evil.example/", "javascript:alert(1)"]) {
    assert.equal(ownPath(text, origin), "", text);
  }
});
