// The draft that this tab edits: the forms send their changes to it, and the pages show
// what it makes of frontends and backends. Nothing of it is in effect.

import { batch, signal } from "@preact/signals";
import { list, object } from "./live.js";
import { toast } from "./parts.js";
import { call, Failure, get } from "./rest.js";

/** @typedef {import("./types.js").Draft} Draft */

const storageKey = "thalassa.draft";

/** The draft that this tab edits; null: changes take effect at once. */
export const editing = signal(/** @type {Draft|null} */ (null));

/** What the draft makes of its objects, by id; null: it deletes the object. */
const drafted = signal(/** @type {Map<string, any>} */ (new Map()));

let wanted = ""; // the id of the draft that is edited, or being read to be edited
let read = ""; // of which draft and revision the definitions were read

/** Goes on with the draft that this tab edited before it was reloaded. */
export async function resume() {
  const id = editing.peek()?.id ?? stored();
  if (id) await edit(id);
}

function stored() {
  try {
    return sessionStorage.getItem(storageKey);
  } catch {
    return null; // storage is forbidden
  }
}

/** @param {string|null} id */
function store(id) {
  try {
    if (id) sessionStorage.setItem(storageKey, id);
    else sessionStorage.removeItem(storageKey);
  } catch {
    // Storage is forbidden: the draft is left when the page is reloaded.
  }
}

/** Edits a draft from now on.
 * @param {string} id */
export async function edit(id) {
  wanted = id;
  store(id);
  await refresh();
}

/** Leaves the draft, which stays as it is. */
export function leave() {
  wanted = "";
  read = "";
  store(null);
  batch(() => {
    editing.value = null;
    drafted.value = new Map();
  });
}

/** Reads the draft again: after each edit, and when others may have changed something. */
export async function refresh() {
  const draftID = wanted;
  if (!draftID) return;
  try {
    /** @type {Draft} */
    const draft = await get(`/drafts/${encodeURIComponent(draftID)}`);
    const state = `${draft.id} ${draft.changed} ${draft.objects.length}`;
    const all = draft.objects.length === 0 ? { frontends: {}, backends: {} } : state === read ? null : await get(`/definitions?draft=${encodeURIComponent(draftID)}`);
    if (wanted !== draftID) return; // it was left meanwhile, or another one is edited
    read = state;
    batch(() => {
      editing.value = draft;
      if (all) drafted.value = new Map(draft.objects.filter(isShown).map((objectID) => [objectID, definition(all, objectID)]));
    });
  } catch (failure) {
    if (wanted !== draftID || !(failure instanceof Failure) || failure.status !== 404) return; // the next time, perhaps
    leave();
    toast({ kind: "bad", text: `Draft ${draftID} does not exist any more: it was committed or deleted. Changes take effect at once now.`, seconds: 20 });
  }
}

/** Whether the pages show what the draft makes of an object: frontends and backends only.
 * @param {string} id */
const isShown = (id) => /^(frontend|backend)\//.test(id);

/** One of all definitions, as the stream delivers objects.
 * @param {{frontends: Record<string, any>, backends: Record<string, any>}} all
 * @param {string} id */
function definition(all, id) {
  const [kind, key] = split(id);
  const of = kind === "frontend" ? all.frontends[key] : all.backends[key];
  return of ? { natives: [], ...(kind === "frontend" ? { rules: [] } : {}), ...of, id, key } : null;
}

/** @param {string} id */
function split(id) {
  const slash = id.indexOf("/");
  return [id.slice(0, slash), id.slice(slash + 1)];
}

/** The path of a request that shows or changes the draft, if one is edited.
 * @param {string} path of a frontend or backend, without a query */
export function inDraft(path) {
  const draft = editing.peek();
  return draft ? `${path}?draft=${encodeURIComponent(draft.id)}` : path;
}

/** What happens to an object in the draft; empty: nothing.
 * @param {string} id
 * @returns {""|"created"|"changed"|"deleted"} */
export function mark(id) {
  if (!drafted.value.has(id)) return "";
  if (drafted.value.get(id) === null) return "deleted";
  return object(id).value ? "changed" : "created";
}

/** An object as the draft has it. What the draft deletes is as it is in effect.
 * @param {string} id */
export function shown(id) {
  const live = object(id).value;
  const draft = drafted.value.get(id);
  return draft ? { ...(live && { etag: live.etag }), ...draft } : live;
}

/** The ids of a topic's objects with those that the draft creates; null until they are known.
 * @param {"frontends"|"backends"} topic */
export function ids(topic) {
  const live = list(topic).value;
  if (!live || drafted.value.size === 0) return live;
  const created = [...drafted.value.keys()].filter((id) => id.startsWith(topic.slice(0, -1) + "/") && drafted.value.get(id) && !live.includes(id));
  return [...live, ...created];
}

/** What the answer to a change says where it went to a draft; null: it did not.
 * @param {string} what was changed, e.g. "backend/live"
 * @param {any} data the answer */
export function collected(what, data) {
  if (!data.draft) return null;
  void refresh();
  const warnings = (data.warnings ?? []).join(" ");
  return { kind: "good", text: `${what} is in draft ${data.draft}. Nothing is in effect yet. ${warnings}`.trim() };
}

/** Properties of a button for what no draft collects: while one is edited, it does nothing. */
export function atOnce() {
  return editing.value ? { disabled: true, title: "This takes effect at once and cannot be part of a draft. Leave the draft first." } : {};
}

/** Takes what the draft changes of objects out of it.
 * @param {string} id of the draft
 * @param {string[]} objects */
export async function drop(id, objects) {
  await call("POST", `/drafts/${encodeURIComponent(id)}/drop`, { body: { objects } });
  if (editing.peek()?.id === id) await refresh();
}
