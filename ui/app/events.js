// Titles and summaries of events. Pure.

/** @typedef {import("./types.js").Event} Event */

/** The title and severity of each verb.
 * @type {Record<string, {title: string, kind: string}>} */
export const kinds = {
  started: { title: "Agent started", kind: "good" },
  stopped: { title: "Agent stopped", kind: "fair" },
  online: { title: "Member online", kind: "good" },
  offline: { title: "Member offline", kind: "fair" },
  haproxyConfigChanged: { title: "haproxy.cfg changed", kind: "info" },
  haproxyRestarted: { title: "HAProxy restarted", kind: "fair" },
  haproxyStarted: { title: "HAProxy started", kind: "good" },
  haproxyAdopted: { title: "HAProxy adopted", kind: "good" },
  haproxyExited: { title: "HAProxy exited", kind: "bad" },
  haproxyReloaded: { title: "HAProxy reloaded", kind: "info" },
  haproxyReloadFailed: { title: "Reload failed", kind: "bad" },
  configurationWaiting: { title: "Configuration pending", kind: "fair" },
  serversRepaired: { title: "Servers repaired", kind: "fair" },
  controlPathLost: { title: "Control socket lost", kind: "fair" },
  controlPathRegained: { title: "Control socket back", kind: "good" },
  backendSwitched: { title: "Backend switched", kind: "info" },
  configurationChanged: { title: "Configuration changed", kind: "info" },
  configurationReverted: { title: "Configuration reverted", kind: "bad" },
  templateChanged: { title: "Template changed", kind: "info" },
  templateRefused: { title: "Template refused", kind: "bad" },
  discoveryStale: { title: "Discovery stale", kind: "bad" },
  discoveryRecovered: { title: "Discovery recovered", kind: "good" },
  membersHeld: { title: "Members held", kind: "bad" },
  membersReleased: { title: "Members released", kind: "good" },
  memberSet: { title: "Member state set", kind: "info" },
  membersLeftOut: { title: "Members ignored", kind: "bad" },
  imported: { title: "Imported", kind: "info" },
  storeDamaged: { title: "Database damaged", kind: "bad" },
  clusterChanged: { title: "Cluster changed", kind: "info" },
};

/** The title and severity of an event. An error makes it severe.
 * @param {Event} e */
export function kindOf(e) {
  const known = kinds[e.verb] ?? { title: e.verb.replace(/([a-z])([A-Z])/g, "$1 $2").replace(/^./, (c) => c.toUpperCase()), kind: "info" };
  return e.error && known.kind === "info" ? { ...known, kind: "bad" } : known;
}

/** The summary of an event.
 * @param {Event} e */
export function wordsOf(e) {
  const first = e.error?.split("\n")[0] ?? e.diff?.[0] ?? e.reasons?.join(", ") ?? "";
  const more = !e.error && (e.diff?.length ?? 0) > 1 ? ` and ${(e.diff?.length ?? 0) - 1} more` : "";
  return first ? first + more : (e.cause ?? "");
}

/** Whether an event matches the filter.
 * @param {Event} e
 * @param {{text: string, verb: string, about: string}} filter */
export function matches(e, { text, verb, about }) {
  if (verb && e.verb !== verb) return false;
  if (about && e.object.id !== about) return false;
  if (!text) return true;
  const hay = [e.verb, kindOf(e).title, e.object.id, e.cause, e.author, e.error, ...(e.reasons ?? []), ...(e.diff ?? [])].join("\n").toLowerCase();
  return text.toLowerCase().split(/\s+/).filter(Boolean).every((word) => hay.includes(word));
}
