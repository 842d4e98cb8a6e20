// What can be said of certificates without a browser: how urgent their end is, their order,
// and which of them a search finds. Pure.

/** @typedef {{domains: string[], challenge: string, directory: string, directoryCA?: string, email?: string, keyType: string,
 *   state?: string, issued?: boolean, step?: string, lastRenewal?: string, next?: string, error?: string, alone?: string,
 *   window?: {start: string, end: string, explanation?: string}}} Order
 * @typedef {{state: string, mustStaple: boolean, nextUpdate?: string, error?: string}} Staple
 * @typedef {{nextUpdate: string, lists: {issuer: string, revoked: number, nextUpdate: string}[]}} CRL
 * @typedef {{id: string, key: string, kind: string, subject: string, issuer: string, names: string[], notBefore: string, expires: string,
 *   files: {digest: string, chain: {subject: string, algorithm: string, notBefore: string, notAfter: string}[], ocsp?: Staple}[],
 *   usedBy?: string[], acme?: Order, crl?: CRL}} Certificate */

const day = 24 * 3600 * 1000;

/** The days before its end from which on the agent warns of a certificate. */
const warned = [14, 7, 3, 1];

/** Whether a certificate is ordered and not issued yet. What serves meanwhile is a stand-in.
 * @param {Certificate} c */
export function isAwaited(c) {
  return c.files.length === 0 || c.acme?.issued === false;
}

/** How urgent the end of a certificate is: a severity, and words. The agent warns from the same
 * days on; those that are more than a third of its life before its end do not count.
 * @param {Certificate} c
 * @param {number} at milliseconds
 * @returns {{kind: "good"|"fair"|"bad", text: string}} */
export function urgency(c, at) {
  if (isAwaited(c)) return { kind: c.acme?.state === "failed" ? "bad" : "fair", text: "not issued yet" };
  const end = Date.parse(c.expires), left = end - at;
  if (left <= 0) return { kind: "bad", text: "expired" };
  const first = c.files.flatMap((f) => f.chain).find((x) => Date.parse(x.notAfter) === end) ?? c;
  const life = end - Date.parse(first.notBefore);
  const isNear = (/** @type {number} */ most) => warned.some((days) => days <= most && days * day <= life / 3 && left <= days * day);
  return { kind: isNear(3) ? "bad" : isNear(14) ? "fair" : "good", text: remaining(left) };
}

/** @param {number} ms */
function remaining(ms) {
  if (ms < 3600e3) return "less than 1 hour left";
  const [n, word] = ms < 2 * day ? [Math.floor(ms / 3600e3), "hour"] : [Math.floor(ms / day), "day"];
  return `${n} ${word}${n === 1 ? "" : "s"} left`;
}

/** The certificates, the one that expires first at the top; before them those that are not
 * issued yet.
 * @param {Certificate[]} list */
export function sorted(list) {
  const end = (/** @type {Certificate} */ c) => (isAwaited(c) ? 0 : Date.parse(c.expires));
  return [...list].sort((a, b) => end(a) - end(b) || a.key.localeCompare(b.key, "en", { numeric: true }));
}

/** Whether a certificate has every word of a text in its name, host names, issuer or users.
 * @param {Certificate} c
 * @param {string} text */
export function hasWords(c, text) {
  const all = [c.key, ...c.names, c.issuer, ...(c.usedBy ?? []), c.acme ? "acme" : "uploaded"].join(" ").toLowerCase();
  return text.toLowerCase().split(/\s+/).every((word) => all.includes(word));
}

/** What is wrong with the name of a certificate, as the API would say it.
 * @param {string} name
 * @returns {import("./types.js").FieldError[]} */
export function problemsOfName(name) {
  if (/^[A-Za-z0-9_.:-]{1,128}$/.test(name)) return [];
  return [{ path: "name", problem: name ? "is not a name" : "is missing", expected: "1 to 128 characters out of A-Z a-z 0-9 _ . : -" }];
}
