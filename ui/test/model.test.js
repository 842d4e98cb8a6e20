import assert from "node:assert/strict";
import { test } from "node:test";
import { maxEvents, Model } from "../app/model.js";

const hello = { type: "hello", protocol: "thalassa.v1", version: "1.2.3", label: "lb1", epoch: "a", seq: 10, interval: 1000, history: 5, topics: ["backends", "stat"] };

/** @param {object} [extra] */
const stat = (extra = {}) => ({ id: "stat/backend/live", type: "backend", key: "live", rate: { requests: 5, "5xx": 1 }, connections: { current: 2, max: 4 }, ...extra });

/** @param {Model} model
 * @param {...any} messages */
function feed(model, ...messages) {
  return messages.map((m) => model.apply(m)).at(-1);
}

test("a state replaces what is known of its topic, and of no other", () => {
  const m = new Model();
  feed(m, hello, { type: "state", topic: "backends", seq: 10, time: 1, objects: [{ id: "backend/a" }, { id: "backend/b" }] },
    { type: "state", topic: "frontends", seq: 10, time: 1, objects: [{ id: "frontend/w" }] });
  const change = feed(m, { type: "state", topic: "backends", seq: 12, time: 2, objects: [{ id: "backend/b" }, { id: "backend/c" }] });
  assert.deepEqual([...m.objects("backends").keys()], ["backend/b", "backend/c"]);
  assert.deepEqual([...m.objects("frontends").keys()], ["frontend/w"]);
  assert.deepEqual([...change.ids].sort(), ["backend/a", "backend/b", "backend/c"]);
});

test("a delta of stat changes single fields, of another topic whole objects", () => {
  const m = new Model();
  feed(m, hello, { type: "state", topic: "stat", seq: 10, time: 1000, objects: [stat({ status: "UP" })] },
    { type: "state", topic: "backends", seq: 10, time: 1000, objects: [{ id: "backend/live", version: "1", host: "h" }] });
  const before = m.objects("stat").get("stat/backend/live");
  feed(m, { type: "delta", topic: "stat", seq: 11, time: 2000, changed: [{ id: "stat/backend/live", rate: { requests: 7 } }] },
    { type: "delta", topic: "backends", seq: 12, time: 2000, changed: [{ id: "backend/live", version: "2" }] });
  const after = m.objects("stat").get("stat/backend/live");
  assert.equal(after.status, "UP");
  assert.deepEqual(after.rate, { requests: 7, "5xx": 1 }, "a delta contains single fields of nested objects");
  assert.deepEqual(before.rate, { requests: 5, "5xx": 1 }, "the previous object is unchanged");
  assert.notEqual(before, after, "a change makes a new object");
  assert.deepEqual(m.objects("backends").get("backend/live"), { id: "backend/live", version: "2" });
});

test("unknown rates are null and come back whole; a whole object replaces", () => {
  const m = new Model();
  /** @param {...any} changed */
  const after = (...changed) => {
    feed(m, { type: "delta", topic: "stat", seq: 11, time: 2000, changed });
    return m.objects("stat").get("stat/backend/live");
  };
  feed(m, hello, { type: "state", topic: "stat", seq: 10, time: 1000, objects: [stat({ status: "UP", version: "1" })] });
  assert.equal(after({ id: "stat/backend/live", rate: null, status: "unknown" }).rate, null);
  assert.deepEqual(after({ id: "stat/backend/live", rate: { requests: 1, "5xx": 0 } }).rate, { requests: 1, "5xx": 0 });
  assert.equal("version" in after(stat()), false);
});

test("a removed object loses its series; a new object changes the set", () => {
  const m = new Model();
  feed(m, hello, { type: "state", topic: "stat", seq: 10, time: 1000, objects: [stat()] });
  const added = feed(m, { type: "delta", topic: "stat", seq: 11, time: 2000, changed: [stat({ id: "stat/backend/new" })] });
  assert.ok(added.topics.has("stat"));
  assert.equal(feed(m, { type: "delta", topic: "stat", seq: 12, time: 3000, changed: [stat()] }).topics.has("stat"), false);
  const gone = feed(m, { type: "delta", topic: "stat", seq: 13, time: 4000, removed: ["stat/backend/live", "stat/backend/never"] });
  assert.deepEqual([...gone.ids], ["stat/backend/live"]);
  assert.deepEqual([...m.series.keys()], ["stat/backend/new"]);
});

test("a series begins with the history and grows with each tick", () => {
  const m = new Model();
  const history = { interval: 1000, end: 3000, requests: [1, null, 3], connections: [1, 1, 1] };
  feed(m, hello, { type: "state", topic: "stat", seq: 10, time: 3100, objects: [stat({ history })] });
  assert.equal("history" in m.objects("stat").get("stat/backend/live"), false);
  feed(m, { type: "delta", topic: "stat", seq: 11, time: 5000, changed: [{ id: "stat/backend/live", rate: { requests: 9 } }] });
  // There was no message for the tick at 4000: it repeats the previous values.
  assert.deepEqual([...(m.series.get("stat/backend/live")?.read("requests") ?? [])], [1, NaN, 3, 3, 9]);
});

test("the subscription resumes with the same process", () => {
  const m = new Model();
  assert.deepEqual(m.subscription(["stat"]), { type: "subscribe", topics: ["stat"] });
  feed(m, hello, { type: "state", topic: "stat", seq: 10, time: 1, objects: [] }, { type: "delta", topic: "stat", seq: 15, time: 2, changed: [] });
  feed(m, { ...hello, seq: 20 });
  assert.deepEqual(m.subscription(["stat"]), { type: "subscribe", topics: ["stat"], epoch: "a", seq: 15 });
  feed(m, { type: "resumed", seq: 15 });
  assert.equal(m.objects("stat").size, 0);
  feed(m, { ...hello, epoch: "b", seq: 3 });
  assert.deepEqual(m.subscription(["stat"]), { type: "subscribe", topics: ["stat"] }, "another process starts counting at 0");
  feed(m, { type: "state", topic: "stat", seq: 3, time: 1, objects: [] }, { type: "delta", topic: "stat", seq: 4, time: 2, changed: [] });
  assert.deepEqual(m.subscription(["stat"]), { type: "subscribe", topics: ["stat"], epoch: "b", seq: 4 });
});

test("states that were cut off are requested again", () => {
  const m = new Model();
  feed(m, hello, { type: "state", topic: "backends", seq: 10, time: 1, objects: [] }, { type: "state", topic: "stat", seq: 12, time: 1, objects: [] });
  assert.equal(m.subscription([]).seq, undefined);
  feed(m, { type: "delta", topic: "stat", seq: 12, time: 1, changed: [stat()] });
  assert.equal(m.subscription([]).seq, undefined, "a delta with the state's seq continues the state");
  feed(m, { type: "delta", topic: "backends", seq: 11, time: 2, changed: [] });
  assert.equal(m.subscription([]).seq, 11, "not everything up to the seq of the other state has arrived");
  feed(m, { type: "state", topic: "backends", seq: 20, time: 3, objects: [] });
  assert.equal(m.subscription([]).seq, undefined);
});

test("events are kept by number, up to a bound", () => {
  const m = new Model();
  feed(m, hello, { type: "state", topic: "activity", seq: 10, time: 1, objects: [{ seq: 1 }, { seq: 2 }] });
  const changed = Array.from({ length: maxEvents }, (_, i) => ({ seq: i + 3 }));
  feed(m, { type: "delta", topic: "activity", seq: 11, time: 2, changed });
  const known = [...m.objects("activity").values()].map((e) => e.seq);
  assert.equal(known.length, maxEvents);
  assert.deepEqual([known[0], known.at(-1)], [3, maxEvents + 2]);
});

test("messages of unknown types change nothing", () => {
  const m = new Model();
  feed(m, hello);
  const change = feed(m, { type: "surprise", seq: 11 });
  assert.deepEqual([change.ids.size, change.topics.size], [0, 0]);
});

test("the cluster is made of its parts, and what has not changed is the same object", () => {
  const m = new Model();
  const part = (/** @type {string} */ kind, /** @type {string} */ id, /** @type {object} */ extra) => ({ id: `${kind}/${id}`, [kind]: { id, ...extra } });
  const cluster = () => m.topics.get("cluster")?.get("cluster");
  feed(m, hello, { type: "state", topic: "clusterparts", seq: 10, time: 1, objects: [{ id: "state", cluster: { state: "ok", epoch: "0:1:1" } },
    { id: "order", nodes: ["b", "a"], resources: ["vip", "web"] }, part("node", "a", {}), part("node", "b", {}), part("resource", "vip", {})] });
  assert.equal(cluster(), undefined, "a large state is not whole yet");
  const whole = feed(m, { type: "delta", topic: "clusterparts", seq: 10, time: 1, changed: [part("resource", "web", { state: "started" })] });
  assert.ok(whole.ids.has("cluster") && whole.topics.has("cluster"));
  const before = cluster();
  assert.deepEqual(before, { id: "cluster", state: "ok", epoch: "0:1:1", nodes: [{ id: "b" }, { id: "a" }], resources: [{ id: "vip" }, { id: "web", state: "started" }] });
  const change = feed(m, { type: "delta", topic: "clusterparts", seq: 11, time: 2, changed: [{ id: "state", cluster: { state: "errors", epoch: "0:1:2" } }, part("resource", "web", { state: "failed" })] });
  assert.deepEqual([...change.ids], ["cluster"]);
  assert.equal(change.topics.size, 0, "there is a cluster, as before");
  const after = cluster();
  assert.notEqual(after, before);
  assert.equal(after.state, "errors");
  assert.equal(after.resources[0], before.resources[0], "this one has not changed");
  assert.equal(after.nodes[1], before.nodes[1]);
  assert.equal(after.resources[1].state, "failed");
  feed(m, { type: "delta", topic: "clusterparts", seq: 12, time: 3, changed: [{ id: "order", nodes: ["b", "a"], resources: ["web"] }], removed: ["resource/vip"] });
  assert.deepEqual(cluster().resources, [{ id: "web", state: "failed" }]);
  const gone = feed(m, { type: "delta", topic: "clusterparts", seq: 13, time: 4, removed: ["state", "order", "node/a", "node/b", "resource/web"] });
  assert.equal(cluster(), undefined);
  assert.ok(gone.topics.has("cluster"));
  const none = new Model();
  assert.ok(feed(none, hello, { type: "state", topic: "clusterparts", seq: 10, time: 1, objects: [] }).topics.has("cluster"), "that there is no cluster is known");
  assert.equal(none.topics.get("cluster")?.size, 0);
});
