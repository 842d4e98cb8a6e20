import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { hasWords, problemsOfName, sorted, urgency } from "../app/expiry.js";

const day = 24 * 3600e3, at = Date.UTC(2026, 10, 29);
const time = (/** @type {number} */ days) => new Date(at + days * day).toISOString();

/** A certificate that ends in some days.
 * @param {string} key
 * @param {number} days
 * @param {number} life in days
 * @param {object} [o] other fields */
function certificate(key, days, life, o = {}) {
  const dates = { notBefore: time(days - life), notAfter: time(days) };
  return { id: "certificate/" + key, key, kind: "pair", subject: "CN=" + key, issuer: "CN=corp", names: [key + ".example"], ...dates, expires: dates.notAfter,
    files: [{ digest: "", chain: [{ subject: "CN=" + key, algorithm: "RSA 2048", ...dates }] }], ...o };
}

test("the end of a certificate is as urgent as the agent says", () => {
  const cases = /** @type {[number, number, string, string][]} */ ([
    [60, 90, "good", "60 days left"], [14.5, 90, "good", "14 days left"], [13.9, 90, "fair", "13 days left"], [5, 90, "fair", "5 days left"], [2.9, 90, "bad", "2 days left"],
    [1.5, 90, "bad", "36 hours left"], [0.05, 90, "bad", "1 hour left"], [0.01, 90, "bad", "less than 1 hour left"], [0, 90, "bad", "expired"], [-3, 90, "bad", "expired"],
    [9.5, 30, "good", "9 days left"], [6.5, 30, "fair", "6 days left"], [2.5, 6, "good", "2 days left"], [0.9, 6, "bad", "21 hours left"], [0.9, 2, "good", "21 hours left"],
  ]);
  for (const [days, life, kind, text] of cases) assert.deepEqual(urgency(certificate("a", days, life), at), { kind, text }, `${days} of ${life} days`);
  // Another certificate of the chain ends first: its life counts.
  const chain = certificate("a", 5, 90);
  chain.files[0].chain.unshift({ subject: "CN=leaf", algorithm: "RSA 2048", notBefore: time(-1), notAfter: time(8) });
  assert.equal(urgency(chain, at).kind, "fair");
  const source = readFileSync(new URL("../../lb/certificate.go", import.meta.url), "utf8");
  assert.ok(source.includes("expiryDays() []int { return []int{0, 1, 3, 7, 14} }"), "the agent warns from other days on");
});

test("a stand-in is not a certificate", () => {
  const standIn = certificate("a", 90, 90, { acme: { state: "ordering", issued: false } });
  assert.deepEqual(urgency(standIn, at), { kind: "fair", text: "not issued yet" });
  assert.deepEqual(urgency(certificate("a", 90, 90, { acme: { state: "failed", issued: false } }), at).kind, "bad");
  assert.deepEqual(urgency(certificate("a", 0, 0, { files: [], acme: {} }), at), { kind: "fair", text: "not issued yet" });
  assert.equal(urgency(certificate("a", 60, 90, { acme: { state: "failed", issued: true } }), at).kind, "good");
});

test("what expires first is first", () => {
  const list = [certificate("b", 60, 90), certificate("late", 90, 90), certificate("soon", 5, 90), certificate("a", 60, 90), certificate("new", 90, 90, { acme: { issued: false } })];
  assert.deepEqual(sorted(list).map((c) => c.key), ["new", "soon", "a", "b", "late"]);
});

test("certificates are found by name, host, issuer, user and source", () => {
  const c = certificate("shop", 60, 90, { usedBy: ["frontend/web"] });
  for (const text of ["", "sho", "SHOP.example corp", "frontend/web", "uploaded"]) assert.ok(hasWords(c, text), text);
  for (const text of ["acme", "shop api"]) assert.equal(hasWords(c, text), false, text);
  assert.ok(hasWords({ ...c, acme: {} }, "acme"));
});

test("names", () => {
  for (const name of ["a", "shop.example:8443", "A-b_c", "x".repeat(128)]) assert.deepEqual(problemsOfName(name), [], name);
  for (const name of ["a b", "a/b", "ä", "x".repeat(129)]) assert.equal(problemsOfName(name)[0].problem, "is not a name", name);
  assert.equal(problemsOfName("")[0].problem, "is missing");
});
