// Which past is shown: this cluster's, or an imported one. The address has it.

import { route } from "./router.js";

/** The ID of the import that is shown; empty: none. Imports are of the agent itself: on the page of
 * another cluster, an address that names one shows the past of that cluster. */
export function imported() {
  return route.value.page === "other" ? "" : (route.value.query.get("import") ?? "");
}

/** The path of the API for the past that is shown.
 * @param {string} path with a query or without */
export function ofImport(path) {
  const id = imported();
  return id ? `${path}${path.includes("?") ? "&" : "?"}${new URLSearchParams({ import: id })}` : path;
}

/** The address of the history's page with a selection: of this cluster, or of the one at a base.
 * @param {string} base of the cluster's pages
 * @param {Record<string, string>} parts */
export function historyPath(base, parts) {
  return `${base === "/cluster" ? "" : base}/history?${new URLSearchParams(parts)}`;
}

/** The address of the simulator on the state of a transition.
 * @param {string} id of the transition
 * @param {string} [suppose] an event to begin with: a node and its state, "lb2=online" */
export function supposePath(id, suppose) {
  return ofImport(`/simulator?${new URLSearchParams({ past: id, ...(suppose ? { suppose } : {}) })}`);
}

/** The address of the page with other parameters; null removes one.
 * @param {Record<string, string|null>} parts */
export function here(parts) {
  const q = new URLSearchParams(route.peek().query);
  for (const [name, value] of Object.entries(parts)) {
    if (value === null) q.delete(name);
    else q.set(name, value);
  }
  return `${location.pathname}?${q}`;
}
