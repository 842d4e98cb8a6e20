// Titles and summaries of events. Pure.

/** @typedef {import("./types.js").Event} Event */

/** The title and severity of each verb.
 * @type {Record<string, {title: string, kind: string}>} */
export const kinds = {
  started: { title: "Agent started", kind: "good" },
  stopped: { title: "Agent stopped", kind: "fair" },
  online: { title: "Member healthy in Consul", kind: "info" },
  offline: { title: "Member gone from Consul", kind: "fair" },
  haproxyConfigChanged: { title: "haproxy.cfg changed", kind: "info" },
  haproxyRestarted: { title: "HAProxy restarted", kind: "fair" },
  haproxyStarted: { title: "HAProxy started", kind: "good" },
  haproxyAdopted: { title: "HAProxy adopted", kind: "good" },
  haproxyExited: { title: "HAProxy exited", kind: "bad" },
  haproxyReloaded: { title: "HAProxy reloaded", kind: "info" },
  haproxyReloadFailed: { title: "Reload failed", kind: "bad" },
  configurationWaiting: { title: "Configuration pending", kind: "fair" },
  serversRepaired: { title: "Servers repaired", kind: "fair" },
  reloadsSlowed: { title: "Reloads slowed down", kind: "fair" },
  controlPathLost: { title: "Control socket lost", kind: "fair" },
  controlPathRegained: { title: "Control socket back", kind: "good" },
  backendSwitched: { title: "Backend switched", kind: "info" },
  configurationChanged: { title: "Configuration changed", kind: "info" },
  configurationReverted: { title: "Configuration reverted", kind: "bad" },
  templateChanged: { title: "Template changed", kind: "info" },
  templateRefused: { title: "Template refused", kind: "bad" },
  settingsChanged: { title: "Settings changed", kind: "info" },
  connectionsRefused: { title: "Connections refused", kind: "bad" },
  settingsRefused: { title: "Settings refused", kind: "bad" },
  discoveryStale: { title: "Discovery stale", kind: "bad" },
  discoveryRecovered: { title: "Discovery recovered", kind: "good" },
  membersHeld: { title: "Members held", kind: "bad" },
  membersReleased: { title: "Members released", kind: "good" },
  memberSet: { title: "Member state set", kind: "info" },
  membersLeftOut: { title: "Members ignored", kind: "bad" },
  memberUp: { title: "Member up", kind: "good" },
  memberDown: { title: "Member down", kind: "bad" },
  memberDrain: { title: "Member draining", kind: "fair" },
  imported: { title: "Imported", kind: "info" },
  storeDamaged: { title: "Database damaged", kind: "bad" },
  clusterChanged: { title: "Cluster changed", kind: "info" },
  canaryStarted: { title: "Canary started", kind: "info" },
  canaryPaused: { title: "Canary paused", kind: "fair" },
  canaryResumed: { title: "Canary resumed", kind: "info" },
  canaryInterrupted: { title: "Canary interrupted", kind: "fair" },
  canaryFinished: { title: "Canary finished early", kind: "info" },
  canaryDone: { title: "Canary done", kind: "good" },
  canaryWentBack: { title: "Canary went back", kind: "bad" },
  canarySuperseded: { title: "Canary superseded", kind: "fair" },
  canaryStuck: { title: "Canary stuck", kind: "bad" },
  certificateExpiring: { title: "Certificate expires", kind: "bad" },
  certificateRenewed: { title: "Certificate renewed", kind: "good" },
  certificateRenewalFailed: { title: "Certificate not renewed", kind: "bad" },
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
  const says = /^HAProxy: (.*)/.exec(e.verb.startsWith("member") ? e.cause ?? "" : "")?.[1]; // which server of which backend
  if (says) return [says, e.reasons?.join(", ")].filter(Boolean).join(": ");
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
  const hay = [e.verb, kindOf(e).title, e.object.id, nameOf(e), e.cause, e.author, e.error, ...(e.reasons ?? []), ...(e.diff ?? [])].join("\n").toLowerCase();
  return text.toLowerCase().split(/\s+/).filter(Boolean).every((word) => hay.includes(word));
}

/** What people call the object of an event: the address of a member, else its id.
 * @param {Event} e */
export function nameOf(e) {
  return e.object.type === "backendMember" && e.object.key ? e.object.key : e.object.id;
}

/** How long after its first event others still belong to a cause. */
const groupMS = 10_000;

/** @typedef {{main: Event, parts: Event[]}} Group an event and the others of its cause */

/** Joins the events of one cause: of one author, within a few seconds. The change that
 * somebody asked for stands for them, else the newest.
 * @param {Event[]} events newest first
 * @returns {Group[]} in the order of their newest events */
export function grouped(events) {
  /** @type {Map<string, Event[]>} the last group of each cause */
  const open = new Map();
  /** @type {Event[][]} */
  const groups = [];
  for (const e of events) {
    const key = e.cause ? JSON.stringify([e.cause, e.author ?? "", e.revision ?? 0]) : "";
    const group = key ? open.get(key) : undefined;
    if (group && group[0].time - e.time <= groupMS) {
      group.push(e);
      continue;
    }
    const fresh = [e];
    groups.push(fresh);
    if (key) open.set(key, fresh);
  }
  return groups.map((group) => {
    const main = group.find((e) => asked.has(e.verb)) ?? group[0];
    return { main, parts: group.filter((e) => e !== main) };
  });
}

/** Verbs of what somebody asked for. */
const asked = new Set(["backendSwitched", "configurationChanged", "configurationReverted", "templateChanged", "templateRefused", "clusterChanged", "membersReleased", "imported"]);

const severities = ["good", "info", "fair", "bad"];

/** The severity of a group: the worst of what is in it, if that is bad.
 * @param {Group} group */
export function severityOf({ main, parts }) {
  const own = kindOf(main).kind;
  const worst = [own, ...parts.map((e) => kindOf(e).kind)].sort((a, b) => severities.indexOf(b) - severities.indexOf(a))[0];
  return worst === "bad" ? worst : own;
}
