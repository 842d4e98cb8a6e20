// Which cluster a page is about: that of this node, or another one that the agent shows.

import { createContext } from "preact";
import { useContext } from "preact/hooks";
import { html } from "./html.js";
import { object } from "./live.js";

/** @typedef {{base: string, name: string, cluster?: import("./types.js").Cluster}} PlaceOfCluster
 * base: of the cluster's pages, and of the API that they read; name: in the settings of the agent,
 * empty: that of this node; cluster: its state, if it has a name. What has one can only be looked at. */

export const Place = createContext(/** @type {PlaceOfCluster} */ ({ base: "/cluster", name: "" }));

export const usePlace = () => useContext(Place);

/** The state of the cluster that the page is about; undefined: there is none, or none yet.
 * @returns {import("./types.js").Cluster|undefined} */
export function useCluster() {
  const place = usePlace();
  return place.name ? place.cluster : object("cluster").value;
}

/** Where the page is.
 * @param {{of?: string}} props */
export function Crumbs({ of }) {
  const { base, name } = usePlace();
  return html`<nav class="crumbs" aria-label="Breadcrumb">${name ? html`<a href="/clusters">Clusters</a> / <a href=${base}>${name}</a>` : html`<a href=${base}>Cluster</a>`}${of && ` / ${of}`}</nav>`;
}
