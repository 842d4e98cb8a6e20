// Paths that come from elsewhere, such as the parameter of a link.

/** A path at this address that a link may lead to; empty: it would lead elsewhere. Browsers
 * read "/\\", and what is left of "/" and a tab, as "//".
 * @param {string} text
 * @param {string} origin */
export function ownPath(text, origin) {
  if (!text.startsWith("/") || !URL.canParse(text, origin)) return "";
  const url = new URL(text, origin);
  return url.origin === origin ? url.pathname + url.search + url.hash : "";
}
