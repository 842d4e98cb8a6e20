import assert from "node:assert/strict";
import { test } from "node:test";
import { diff, hunks, unified } from "../app/diff.js";
import { backendBody, backendDraft, changes, frontendBody, frontendDraft } from "../app/draft.js";
import { highlight } from "../app/highlight.js";

/** @param {import("../app/diff.js").Line[]} lines
 * @param {"before"|"after"} side */
const side = (lines, side) => lines.filter((l) => l.kind !== (side === "before" ? "added" : "removed")).map((l) => l.text);

test("a diff contains both texts in order, whatever they are", () => {
  let seed = 7;
  const random = (/** @type {number} */ n) => (seed = (seed * 1103515245 + 12345) % 2 ** 31) % n;
  for (let round = 0; round < 300; round++) {
    const a = Array.from({ length: random(12) }, () => "abc"[random(3)]);
    const b = Array.from({ length: random(12) }, () => "abc"[random(3)]);
    const lines = diff(a.join("\n"), b.join("\n"));
    const known = (/** @type {string[]} */ t) => (t.length === 0 ? [] : t);
    assert.deepEqual(side(lines, "before"), known(a), `${a} → ${b}`);
    assert.deepEqual(side(lines, "after"), known(b), `${a} → ${b}`);
    lines.forEach((l) => {
      if (l.before) assert.equal(a[l.before - 1], l.text);
      if (l.after) assert.equal(b[l.after - 1], l.text);
    });
  }
});

test("a diff is short", () => {
  const changed = (/** @type {string} */ a, /** @type {string} */ b) => diff(a, b).filter((l) => l.kind !== "same").map((l) => (l.kind === "added" ? "+" : "-") + l.text);
  assert.deepEqual(changed("a\nb\nc\n", "a\nc\nd\n"), ["-b", "+d"]);
  assert.deepEqual(changed("a\n", "a\n"), []);
  assert.deepEqual(changed("", "x\n"), ["+x"]);
  const long = Array.from({ length: 5000 }, (_, i) => `line ${i}`);
  assert.deepEqual(changed(long.join("\n"), long.toSpliced(2500, 1, "other").join("\n")), ["-line 2500", "+other"]);
});

test("hunks leave out unchanged lines", () => {
  const before = Array.from({ length: 20 }, (_, i) => `l${i}`).join("\n");
  const shown = hunks(diff(before, before.replace("l10\n", "new\n")), 1).map((l) => l?.text ?? "…");
  assert.deepEqual(shown, ["…", "l9", "l10", "new", "l11", "…"]);
  assert.deepEqual(hunks(diff("a", "a"), 3), [null]);
});

test("highlighting changes no character", () => {
  const lines = ["", "# a comment", "frontend web # ours", "    bind *:80,[::1]:8080 # here", "    acl rule1 hdr(host) -i \"a # b\" 'c'", "    timeout client 50s", "\tserver s1 10.0.0.1:80 check inter 2000ms weight 1 disabled", "    http-request set-header Host \\#x if { path_beg /a } !rule1"];
  for (const line of lines) assert.equal(highlight(line).map((p) => p.text).join(""), line);
  const kinds = (/** @type {string} */ line) => highlight(line).filter((p) => p.kind).map((p) => `${p.kind}:${p.text.trim()}`);
  assert.deepEqual(kinds("frontend web # ours"), ["section:frontend", "name:web", "comment:# ours"]);
  assert.deepEqual(kinds("    bind *:80"), ["keyword:bind", "address:*:80"]);
  assert.deepEqual(kinds("    timeout client 50s"), ["keyword:timeout", "number:50s"]);
  assert.deepEqual(kinds('    log-format "%ci # %t" # why'), ["keyword:log-format", 'string:"%ci # %t"', "comment:# why"]);
  assert.deepEqual(kinds("    use_backend a if { path /x }"), ["keyword:use_backend", "logic:if", "logic:{", "logic:}"]);
});

test("a form converts an object and back", () => {
  const backend = { type: "dynamic", name: "shop", version: "1.0.0", balance: "leastconn", mode: "http", host: "h", health: { method: "HEAD", uri: "/up", httpVersion: "HTTP/1.1", interval: 500 }, natives: ["option httplog"] };
  assert.deepEqual(backendBody(backendDraft(/** @type {any} */ (backend))), backend);
  const split = { ...backend, version: undefined, versions: { "1.0.0": 90, "2.0.0": 10 } };
  assert.deepEqual(backendBody(backendDraft(/** @type {any} */ (split))).versions, split.versions);
  const fixed = { type: "static", mode: "tcp", balance: "source", natives: [], members: [{ host: "::1", port: 81 }] };
  assert.deepEqual(backendBody(backendDraft(/** @type {any} */ (fixed))), fixed);
  const frontend = { bind: "*:80", mode: "http", keepalive: "close", natives: [], backend: "live", register: { name: "front" }, rules: [{ type: "header", operation: "hdr", value: "a", backend: "b", header: "host" }, { type: "path", operation: "path", value: "/", backend: "b" }] };
  assert.deepEqual(frontendBody(frontendDraft(/** @type {any} */ (frontend))), frontend);
  const secure = { ...frontend, defaults: "slow", tls: { bind: "*:443", certificates: ["shop", "api"], default: "api", minVersion: "1.3", hsts: "max-age=1" } };
  assert.deepEqual(frontendBody(frontendDraft(/** @type {any} */ (secure))), secure);
  const other = frontendBody({ ...frontendDraft(/** @type {any} */ (secure)), tlsCertificates: "shop" });
  assert.deepEqual(other.tls, { bind: "*:443", certificates: ["shop"], minVersion: "1.3", hsts: "max-age=1" });
});

test("an invalid number is sent unchanged, so that the API refuses it", () => {
  const body = backendBody({ ...backendDraft(), type: "static", members: [{ host: " a ", port: "http" }, { host: "", port: "" }], checked: "http", interval: "fast" });
  assert.deepEqual([body.members, body.health?.interval], [[{ host: "a", port: "http" }], "fast"]);
});

test("changes name the fields that differ", () => {
  assert.deepEqual(changes({ a: 1, b: "x", c: [1] }, { b: "y", c: [1], d: true }), [
    { field: "a", before: "1", after: "not set" }, { field: "b", before: "x", after: "y" }, { field: "d", before: "not set", after: "true" },
  ]);
});

test("a difference in the unified format", () => {
  const text = "--- haproxy.cfg now\n+++ haproxy.cfg then\n@@ -2,3 +2,3 @@\n same\n---- dashes\n+++ plus\n last\n\\ No newline at end of file\n";
  assert.deepEqual(unified(text), [
    null,
    { kind: "same", text: "same", before: 2, after: 2 },
    { kind: "removed", text: "--- dashes", before: 3, after: 0 },
    { kind: "added", text: "++ plus", before: 0, after: 3 },
    { kind: "same", text: "last", before: 4, after: 4 },
  ]);
  assert.deepEqual(unified(""), []);
});
