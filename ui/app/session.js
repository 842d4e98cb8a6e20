// Who is logged in, and what they may do.

import { signal } from "@preact/signals";
import { call, Failure } from "./rest.js";
import { allows, includes } from "./grant.js";
import { go, route } from "./router.js";

/** @typedef {{name: string, role: string, on?: string[], see?: boolean, authentication: boolean, how?: string, session?: string, expires?: string}} Identity */

/** null: nobody is logged in. */
export const identity = signal(/** @type {Identity|null} */ (null));

/** Asks the agent who is logged in; opens the login page if nobody is.
 * @returns {Promise<boolean>} false: the agent did not answer */
export async function identify() {
  try {
    identity.value = (await call("GET", "/session")).data;
    return true;
  } catch (e) {
    if (e instanceof Failure && e.status === 401) {
      identity.value = null;
      toLogin();
      return true;
    }
    return false;
  }
}

/** Opens the login page, which returns here after the login. */
export function toLogin() {
  if (route.peek().page === "login") return;
  go("/login?next=" + encodeURIComponent(location.pathname + location.search), { replace: true });
}

/** Opens the identity provider, which sends the browser back to the login page.
 * @throws {Failure} */
export async function beginLogin() {
  location.assign((await call("POST", "/session/sso")).data.url);
}

/** @param {Record<string, string>} credentials a token; user and password; or what the identity provider has sent
 * @throws {Failure} */
export async function login(credentials) {
  await call("POST", "/session", { body: credentials });
  await identify();
}

/** @returns {Promise<{nodes?: string}>} where the session has ended */
export async function logout() {
  try {
    return (await call("DELETE", "/session")).data;
  } finally {
    identity.value = null;
    go("/login");
  }
}

/** Why the user may not do something that needs a role; empty: they may.
 * @param {"deploy"|"operate"|"admin"} role
 * @param {string} [object] that it is done to, e.g. "backend/live"; none: the node */
export function refusal(role, object) {
  const who = identity.value;
  if (!who || allows(who, role, object)) return "";
  if (!includes(who.role, role)) return `This needs the role ${role}; ${who.name} has the role ${who.role}.`;
  return `${who.name} has the role ${who.role} on ${who.on?.join(", ")} only.`;
}

/** An object that stands for those that the user may change: the limits of a role are kinds
 * of objects, or single ones. */
export function changeable() {
  const on = identity.value?.on;
  return on?.find((pattern) => /^(backend|frontend)\//.test(pattern)) ?? "backend/";
}

/** Whether the user may read what concerns the node as a whole.
 * @param {"read"|"admin"} [role] that this needs */
export function seesNode(role = "read") {
  const who = identity.value;
  return !who || allows(who, role);
}

/** Whether the user may read objects of a kind, at least some.
 * @param {string} kind e.g. "certificate/" */
export function seesSome(kind) {
  const who = identity.value;
  return !who || allows(who, "read", kind);
}

/** Whether no object is hidden from the user. */
export function seesAll() {
  return identity.value?.see !== false;
}
