// Commits of drafts and rollbacks: requests that make one revision of many edits.

import { editing, leave } from "./editing.js";
import * as format from "./format.js";
import { sentence, toast } from "./parts.js";
import { call } from "./rest.js";

/** Carries out a draft as one revision, and leaves it.
 * @param {string} id
 * @param {{message?: string, force?: boolean}} how
 * @throws {import("./rest.js").Failure} */
export async function commit(id, how) {
  const { data } = await call("POST", `/drafts/${encodeURIComponent(id)}/commit`, { body: how });
  if (editing.peek()?.id === id) leave();
  tell(`Draft ${id} is committed`, data);
}

/** Makes everything as it was as of a revision.
 * @param {number} number
 * @param {{message?: string, force?: boolean}} how
 * @throws {import("./rest.js").Failure} */
export async function restore(number, how) {
  const { data } = await call("POST", `/revisions/${number}/restore`, { body: how });
  tell(`Everything is as of revision ${number}`, data);
}

/** Shows what came of a change.
 * @param {string} what
 * @param {any} data the answer */
function tell(what, data) {
  const warnings = (data.warnings ?? []).map(sentence).join(" ");
  const how = { none: "no change was necessary", runtime: "without a reload", reload: "with one reload" }[/** @type {string} */ (data.path)] ?? data.path;
  toast(data.applied ? { kind: warnings ? "bad" : "good", text: `${what} as revision ${data.revision} (${how}, ${format.duration(data.durationMs)}). ${warnings}`.trim(), seconds: 15 }
    : { kind: "bad", text: `${what} as revision ${data.revision}, but not in effect yet: ${data.reason}`, seconds: 20 });
}
