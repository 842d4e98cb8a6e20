import assert from "node:assert/strict";
import { test } from "node:test";
import { backendDraft, frontendDraft, missing, unshown } from "../app/draft.js";

/** @param {import("../app/types.js").FieldError[]} errors */
const paths = (errors) => errors.map((e) => e.path);

test("every required field that is empty is named at once", () => {
  assert.deepEqual(paths(missing("backend", backendDraft(), true)), ["key", "name", "version"]);
  assert.deepEqual(paths(missing("backend", { ...backendDraft(), name: " ", versions: { a: 1 } }, false)), ["name"]);
  const listed = { ...backendDraft(), type: "static", members: [{ host: "", port: "" }, { host: "a", port: "" }, { host: "", port: "1" }], checked: "http", uri: "" };
  assert.deepEqual(paths(missing("backend", listed, false)), ["members[1].port", "members[2].host", "health.uri"]);
  const rule = { type: "header", operation: "hdr", value: "", backend: "", header: "" };
  assert.deepEqual(paths(missing("frontend", { ...frontendDraft(), rules: [rule] }, true)), ["key", "bind", "rules[0].header", "rules[0].value", "rules[0].backend"]);
  assert.deepEqual(missing("frontend", { ...frontendDraft(), bind: "*:80", mode: "tcp", rules: [rule] }, false), []);
});

test("errors without a field of their own are told apart", () => {
  const errors = ["key", "natives[2]", "members[0].port", "members", "unheardOf"].map((path) => ({ path, problem: "x" }));
  assert.deepEqual(paths(unshown("backend", errors)), ["members", "unheardOf"]);
  assert.deepEqual(paths(unshown("frontend", [{ path: "rules[1].value", problem: "x" }, { path: "rules", problem: "x" }])), ["rules"]);
});
