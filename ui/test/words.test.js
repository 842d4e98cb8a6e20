import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { chosen, troubled } from "../app/filter.js";
import * as format from "../app/format.js";
import { grouped, kindOf, kinds, matches, nameOf, severityOf, wordsOf } from "../app/events.js";
import { describe, move, percent } from "../app/split.js";

test("numbers", () => {
  const cases = [[null, "–"], [NaN, "–"], [0, "0"], [0.04, "0"], [0.44, "0.4"], [9.96, "10"], [12.4, "12"], [999.6, "1,000"], [9999, "9,999"], [12_345, "12.3k"], [999_700, "1M"], [3_400_000_000, "3.4G"]];
  for (const [n, want] of cases) assert.equal(format.number(/** @type {any} */ (n)), want, String(n));
});

test("sizes and times", () => {
  assert.deepEqual([0, 999, 1000, 1_500_000].map(format.bytes), ["0 B", "999 B", "1 kB", "1.5 MB"]);
  assert.deepEqual([0, 0.3, 12.4, 1500, 61_000, 3_700_000, 90_000_000].map(format.duration), ["0 ms", "<1 ms", "12 ms", "1.5 s", "1 min 1 s", "1 h 1 min", "1 d 1 h"]);
  assert.equal(format.age(1000, 2000), "just now");
  assert.equal(format.age(0, 61_000), "1 min 1 s ago");
  assert.match(format.clock(0, 0), /^\d\d:\d\d:\d\d$/);
});

test("date and time of day are in the reader's time zone", (t) => {
  const zone = process.env.TZ;
  t.after(() => (zone === undefined ? delete process.env.TZ : (process.env.TZ = zone)));
  for (const place of ["America/Los_Angeles", "UTC", "Pacific/Auckland"]) {
    process.env.TZ = place;
    for (const hour of ["00", "23"]) {
      assert.equal(format.clock(new Date(2026, 0, 5, Number(hour), 30, 0).getTime(), 0), `2026-01-05 ${hour}:30:00`, place);
    }
  }
});

test("shares of the traffic add up to 100 whichever slider moves", () => {
  assert.deepEqual(percent({ a: 90, b: 10 }), { a: 90, b: 10 });
  assert.deepEqual(percent({ a: 0, b: 0 }), { a: 0, b: 0 });
  assert.equal(describe({ versions: { a: 2, b: 1 } }), "a 67 %, b 33 %");
  assert.equal(describe({ version: "1.0.0" }), "1.0.0");
  assert.deepEqual(move({ a: 100, b: 0 }, "b", 10), { a: 90, b: 10 });
  assert.deepEqual(move({ a: 100, b: 0 }, "a", 40), { a: 40, b: 60 });
  assert.deepEqual(move({ a: 100 }, "a", 40), { a: 100 });
  for (let to = -5; to <= 105; to++) {
    const parts = move({ a: 33, b: 33, c: 34 }, "b", to);
    const sum = Object.values(parts).reduce((x, y) => x + y, 0);
    assert.equal(sum, 100, `b to ${to}: ${JSON.stringify(parts)}`);
    assert.ok(Object.values(parts).every((p) => p >= 0));
  }
});

test("filters", () => {
  const backend = { id: "backend/live", key: "live", type: "dynamic", name: "shop", version: "1.0.0", members: [{ host: "10.0.0.1", port: 8080 }] };
  const all = { text: "", only: "all" };
  assert.ok(chosen(backend, all));
  for (const text of ["live", "SHOP 1.0", "10.0.0.1:80"]) assert.ok(chosen(backend, { ...all, text }), text);
  assert.equal(chosen(backend, { ...all, text: "live blog" }), false);
  assert.equal(chosen(backend, { ...all, only: "static" }), false);
  assert.equal(chosen({ id: "frontend/web", key: "web" }, { ...all, only: "dynamic" }), false);
  /** @param {object} o */
  const stat = (o) => /** @type {any} */ ({ id: "stat/backend/live", type: "backend", key: "live", healthy: 2, members: 2, ...o });
  assert.equal(troubled(backend, { stat: stat({}) }), false);
  assert.equal(troubled(backend, {}), false, "unknown statistics are no problem");
  for (const o of [{ healthy: 1 }, { members: 0, healthy: 0 }, { rate: { "5xx": 1 } }, { rate: { connectErrors: 0.1 } }]) assert.ok(troubled(backend, { stat: stat(o) }), JSON.stringify(o));
  assert.ok(troubled(backend, { service: /** @type {any} */ ({ stale: "connection refused" }) }));
  assert.ok(troubled(backend, { service: /** @type {any} */ ({ hold: {} }) }));
  assert.ok(troubled({ id: "frontend/web" }, { stat: stat({ status: "STOP" }) }));
});

test("every verb of the agent has a title", () => {
  const source = readFileSync(new URL("../../activity/event.go", import.meta.url), "utf8");
  const verbs = [...source.matchAll(/Verb = "(\w+)"/g)].map((match) => match[1]);
  assert.ok(verbs.length > 20, `${verbs.length} verbs in ${source.length} bytes`);
  assert.deepEqual(Object.keys(kinds).sort(), verbs.sort());
});

test("titles and summaries of events", () => {
  const event = { seq: 1, time: 0, verb: "haproxyReloadFailed", object: { id: "haproxy", type: "haproxy" }, error: "line one\nline two", cause: "PUT /backends/x", author: "ann", diff: ["+ a", "- b"] };
  assert.equal(wordsOf(event), "line one");
  assert.equal(wordsOf({ ...event, error: undefined }), "+ a and 1 more");
  assert.equal(wordsOf({ ...event, error: undefined, diff: undefined }), "PUT /backends/x");
  const down = { ...event, verb: "memberDown", error: undefined, diff: undefined, object: { id: "///10.0.0.1/80", type: "backendMember", key: "10.0.0.1:80" }, cause: "HAProxy: backend/live s1 is DOWN", reasons: ["L4CON (connection failed)", "down for 3s in total"] };
  assert.equal(wordsOf(down), "backend/live s1 is DOWN: L4CON (connection failed), down for 3s in total");
  assert.equal(nameOf(down), "10.0.0.1:80");
  assert.equal(nameOf(event), "haproxy");
  assert.ok(matches(down, { text: "10.0.0.1:80", verb: "", about: "" }));
  assert.deepEqual(kindOf({ ...event, verb: "serviceHeld" }), { title: "Service Held", kind: "bad" });
  assert.equal(kindOf({ ...event, verb: "clusterChanged" }).kind, "bad");
  assert.equal(kindOf({ ...event, verb: "clusterChanged", error: undefined }).kind, "info");
  assert.equal(kindOf({ ...event, verb: "configurationWaiting" }).kind, "fair");
  const any = { text: "", verb: "", about: "" };
  assert.ok(matches(event, { ...any, text: "reload LINE two" }));
  assert.ok(matches(event, { ...any, verb: "haproxyReloadFailed", about: "haproxy" }));
  assert.equal(matches(event, { ...any, text: "bob" }), false);
  assert.equal(matches(event, { ...any, about: "backend/x" }), false);
});

test("the events of one cause are one row", () => {
  let seq = 100;
  /** @param {object} o */
  const event = (o) => /** @type {any} */ ({ seq: seq--, time: seq * 10, object: { id: "haproxy", type: "haproxy" }, verb: "haproxyReloaded", ...o });
  const put = { cause: "PUT /backends/x", author: "ann", revision: 7 };
  const events = [
    event({ ...put, verb: "configurationChanged" }), event(put), event({ verb: "memberDown", cause: "HAProxy: down" }), event({ ...put, verb: "haproxyConfigChanged" }),
    event({ ...put, revision: 6 }), event({ verb: "started" }), event({ verb: "stopped" }), event({ ...put, time: -60_000 }), event({ ...put, author: "bob" }),
    event({ cause: "consul: shop@3", verb: "online" }), event({ cause: "consul: shop@3", verb: "haproxyReloadFailed", error: "no" }),
  ];
  const groups = grouped(events);
  assert.deepEqual(groups.map((g) => [g.main.verb, g.parts.length]), [
    ["configurationChanged", 2], ["memberDown", 0], ["haproxyReloaded", 0], ["started", 0], ["stopped", 0], ["haproxyReloaded", 0], ["haproxyReloaded", 0], ["online", 1],
  ]);
  assert.equal(groups.reduce((n, g) => n + 1 + g.parts.length, 0), events.length, "no event is lost");
  assert.equal(severityOf(groups[0]), "info");
  assert.equal(severityOf(groups[7]), "bad", "a failure in it is seen");
});
