// Client-side routing: the address bar holds the state of the page.

import { signal } from "@preact/signals";

/** @typedef {{page: string, kind?: "backend"|"frontend", key?: string, part?: "resource"|"node"|"history"|"config"|"jobs", id?: string, query: URLSearchParams}} Route
 * part, id: what of another cluster, which is the key */

/** The route of an address.
 * @param {URL} url
 * @returns {Route} */
export function parse(url) {
  const query = url.searchParams;
  const [page, kinds, key, ...rest] = decoded(url.pathname.slice(1).split("/"));
  if (page === "overview" && key && rest.length === 0 && (kinds === "backends" || kinds === "frontends")) {
    return { page: "detail", kind: kinds === "backends" ? "backend" : "frontend", key, query };
  }
  if (page === "cluster" && key && rest.length === 0 && (kinds === "resources" || kinds === "nodes")) return { page: kinds.slice(0, -1), key, query };
  if (page === "cluster" && kinds === "config" && key === undefined) return { page: "objects", query };
  if (page === "cluster" && kinds === "jobs" && key === undefined) return { page: "jobs", query };
  if (page === "clusters" && kinds && key === undefined) return { page: "other", key: kinds, query };
  if (page === "clusters" && kinds && (key === "history" || key === "config" || key === "jobs") && rest.length === 0) return { page: "other", key: kinds, part: key, query };
  if (page === "clusters" && kinds && rest.length === 1 && rest[0] && (key === "resources" || key === "nodes")) {
    return { page: "other", key: kinds, part: key === "nodes" ? "node" : "resource", id: rest[0], query };
  }
  if (page === "drafts" && kinds && key === undefined) return { page: "draft", key: kinds, query };
  return { page: kinds === undefined ? page || "overview" : "missing", query };
}

/** The parts of a path. One that is not encoded properly is of no page.
 * @param {string[]} parts */
function decoded(parts) {
  try {
    return parts.map(decodeURIComponent);
  } catch {
    return ["missing"];
  }
}

const here = () => parse(new URL(location.href));

/** The current route. */
export const route = signal(here());

/** Navigates to a path of this site.
 * @param {string} path
 * @param {{replace?: boolean}} [how] */
export function go(path, how = {}) {
  const page = route.peek().page;
  if (how.replace) history.replaceState(null, "", path);
  else history.pushState(null, "", path);
  route.value = here();
  if (route.peek().page !== page || !how.replace) {
    scrollTo(0, 0);
    // The focus tells screen readers which page this is.
    requestAnimationFrame(() => /** @type {HTMLElement|null} */ (document.querySelector("[autofocus]") ?? document.querySelector("h1"))?.focus());
  }
}

/** Changes parameters of the query; null removes one.
 * @param {Record<string, string|null>} parts */
export function query(parts) {
  const q = new URLSearchParams(route.peek().query);
  for (const [name, value] of Object.entries(parts)) {
    if (value === null || value === "") q.delete(name);
    else q.set(name, value);
  }
  const text = q.toString();
  history.replaceState(null, "", location.pathname + (text && "?" + text));
  route.value = here();
}

/** The path of an object's page.
 * @param {string} id e.g. "backend/live" */
export function pathOf(id) {
  const [kind, key, ...rest] = id.split("/");
  if (kind === "certificate") return `/certificates?q=${encodeURIComponent(key)}`;
  if (kind === "section") return `/config?view=sections&q=${encodeURIComponent([key, ...rest].join("/"))}`;
  return `/overview/${kind}s/${encodeURIComponent(key)}`;
}

/** Handles links within the site without reloading the page. */
export function begin() {
  addEventListener("popstate", () => (route.value = here()));
  document.addEventListener("click", (e) => {
    const link = e.target instanceof Element ? e.target.closest("a") : null;
    if (!link || e.defaultPrevented || e.button || e.metaKey || e.ctrlKey || e.shiftKey || e.altKey) return;
    if (link.target || link.origin !== location.origin || link.hasAttribute("data-plain")) return;
    e.preventDefault();
    go(link.pathname + link.search);
  });
}
