// What somebody may do: a role, on all objects or on some.

/** @typedef {{role: string, on?: string[], see?: boolean}} Grant
 * on: patterns of the objects that the role is limited to; see: false hides the others */

const rank = ["none", "read", "deploy", "operate", "admin"];

/** Whether a role includes another one.
 * @param {string} have
 * @param {string} need */
export function includes(have, need) {
  return rank.indexOf(have) >= rank.indexOf(need);
}

/** Whether a grant allows what a role may do to an object. An object without a name, such
 * as "backend/", stands for any of its kind; none stands for the node as a whole.
 * @param {Grant} grant
 * @param {string} need
 * @param {string} [object] e.g. "backend/live" */
export function allows(grant, need, object) {
  if (!includes(grant.role, need)) return false;
  if (!grant.on) return true;
  if (need === "read" && grant.see !== false) return true;
  if (!object) return false;
  if (object.endsWith("/")) return grant.on.some((p) => p.startsWith(object));
  return grant.on.some((p) => matches(p, object));
}

/** @param {string} pattern
 * @param {string} object */
function matches(pattern, object) {
  const [first, ...parts] = pattern.split("*");
  const last = parts.pop();
  if (last === undefined) return object === pattern;
  if (!object.startsWith(first)) return false;
  let at = first.length;
  for (const part of parts) {
    const found = object.indexOf(part, at);
    if (found < 0) return false;
    at = found + part.length;
  }
  return object.length - last.length >= at && object.endsWith(last);
}

/** What a grant is limited to, in words.
 * @param {Grant} grant */
export function limitsOf(grant) {
  if (!grant.on) return "everything";
  return grant.on.join(", ") + (grant.see === false ? "; the rest is hidden" : "");
}
