// Who is logged in, and what they may do.

import { signal } from "@preact/signals";
import { call, Failure } from "./rest.js";
import { go, route } from "./router.js";

/** @typedef {{name: string, role: string, authentication: boolean}} Identity */

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

/** @param {{token: string}|{user: string, password: string}} credentials
 * @throws {Failure} */
export async function login(credentials) {
  await call("POST", "/session", { body: credentials });
  await identify();
}

export async function logout() {
  try {
    await call("DELETE", "/session");
  } finally {
    identity.value = null;
    go("/login");
  }
}

const rank = ["none", "read", "deploy", "operate", "admin"];

/** Why the user may not do something that needs a role; empty: they may.
 * @param {"deploy"|"operate"|"admin"} role */
export function refusal(role) {
  const who = identity.value;
  if (!who || rank.indexOf(who.role) >= rank.indexOf(role)) return "";
  return `This needs the role ${role}; ${who.name} has the role ${who.role}.`;
}
