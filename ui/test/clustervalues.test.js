import assert from "node:assert/strict";
import { test } from "node:test";
import { schema } from "../app/clusterschema.js";
import { operationValues, propertyValues, recommended } from "../app/clustervalues.js";

test("the operations that an agent recommends and a form lacks", () => {
  const actions = [{ name: "meta-data", timeout: "5s" }, { name: "monitor", timeout: "20s", interval: "10s", depth: "0" }, { name: "monitor", timeout: "60s", interval: "60s", depth: "10" },
    { name: "start", timeout: "20s" }, { name: "stop", timeout: "20s" }, { name: "stop", timeout: "40s" }, { name: "reload", timeout: "20s" }];
  assert.deepEqual(recommended(actions, []), [{ name: "start", timeout: "20s", role: "" }, { name: "stop", timeout: "20s", role: "" }, { name: "monitor", timeout: "20s", role: "", interval: "10s" }]);
  assert.deepEqual(recommended(actions, [{ name: "stop", role: "" }, { name: "monitor" }]).map((op) => op.name), ["start"]);
  assert.deepEqual(recommended([{ name: "monitor", timeout: "20", interval: "9s", role: "Master" }, { name: "monitor", interval: "10s", role: "Slave" }, { name: "promote" }], [{ name: "monitor", role: "Promoted" }]),
    [{ name: "monitor", timeout: "", role: "Unpromoted", interval: "10s" }, { name: "promote", timeout: "", role: "" }]);
});

test("properties and defaults are suggested with their legal values", () => {
  const known = (/** @type {string} */ kind) => schema[kind].fields.find((f) => f.name === "values")?.known;
  assert.equal(known("properties"), propertyValues);
  assert.equal(known("operation-defaults"), operationValues);
  assert.deepEqual(propertyValues["no-quorum-policy"], ["stop", "freeze", "ignore", "demote", "suicide"]);
  assert.ok(!("stonith-timeout" in propertyValues) && !("dc-version" in propertyValues)); // of advanced use; set by Pacemaker
});
