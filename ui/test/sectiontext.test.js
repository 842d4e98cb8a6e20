import assert from "node:assert/strict";
import { test } from "node:test";
import { bodyOf, defaultsLines, draftOf, errorsOfForm, globalLines, hasText, keyOf, merged, missingIn, titleOf, unshownIn } from "../app/sectiontext.js";

/** @param {string} key
 * @param {string[]} natives
 * @param {string} [defaults] */
const section = (key, natives, defaults) => ({ id: "section/" + key, key, natives, ...(defaults ? { defaults } : {}) });

test("a form makes of a section what the section is", () => {
  for (const s of [section("userlist/staff", ["user a password b"]), section("global", ["maxconn 5"]), section("defaults", ["timeout queue 5s"]), section("defaults/slow", []), section("listen/stats", ["stats enable"], "slow")]) {
    assert.equal(keyOf(draftOf(s)), s.key);
    assert.deepEqual(bodyOf(draftOf(s)), { natives: s.natives, ...(s.defaults ? { defaults: s.defaults } : {}) });
  }
  assert.equal(draftOf(section("defaults", [])).kind, defaultsLines);
  assert.equal(draftOf(section("defaults/slow", [])).kind, "defaults");
  assert.equal(keyOf({ kind: "ring", name: " events ", defaults: "", natives: "" }), "ring/events");
  assert.deepEqual(bodyOf({ kind: "ring", name: "x", defaults: "slow", natives: "" }), { natives: [] }); // of another kind before
  assert.equal(titleOf("global"), "lines for global");
});

test("an error of a line names the line of the text", () => {
  const draft = { kind: "userlist", name: "staff", defaults: "", natives: "user a password b\n\n  # c\nuser d" };
  const errors = errorsOfForm([{ path: "natives[2]", problem: "is wrong" }, { path: "natives[9]", problem: "x" }, { path: "name", problem: "y" }], draft);
  assert.deepEqual(errors[0], { path: "natives", problem: "line 4: is wrong" });
  assert.deepEqual(unshownIn(errors).map((e) => e.path), ["natives[9]"]);
  assert.deepEqual(missingIn({ ...draft, name: " " }).map((e) => e.path), ["name"]);
  assert.deepEqual(missingIn({ ...draft, kind: globalLines, name: "" }), []);
});

test("a draft shows what it creates, changes and deletes, by key", () => {
  const live = [section("ring/a", ["x"]), section("cache/b", ["y"]), section("listen/c", ["z"], "slow")];
  const drafted = [section("cache/b", ["y"]), section("listen/c", ["z"]), section("userlist/d", [])];
  assert.deepEqual(merged(live, drafted).map((s) => `${s.section.key} ${s.mark}`), ["cache/b ", "listen/c changed", "ring/a deleted", "userlist/d created"]);
  assert.deepEqual(merged(live, null).map((s) => s.section.key + s.mark), ["cache/b", "listen/c", "ring/a"]);
});

test("a search looks at kind, name and lines", () => {
  const s = section("listen/stats", ["bind :80", "stats enable"], "slow");
  for (const text of ["", "listen", "listen stats", "LISTEN/stats", "enable slow"]) assert.ok(hasText(s, text), text);
  assert.ok(!hasText(s, "userlist"));
});
