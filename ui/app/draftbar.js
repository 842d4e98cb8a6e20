// The bar while this tab edits a draft.

import { useEffect, useState } from "preact/hooks";
import { commit } from "./commit.js";
import { editing, leave, mark, refresh } from "./editing.js";
import * as format from "./format.js";
import { html } from "./html.js";
import { object } from "./live.js";
import { Badge, Button, toast } from "./parts.js";
import { go, pathOf, route } from "./router.js";
import { changeable, refusal } from "./session.js";

/** How often to look whether others changed the draft, in milliseconds. */
const interval = 15_000;

export function DraftBar() {
  const draft = editing.value;
  const revision = object("status").value?.revision;
  useEffect(() => {
    if (!draft) return undefined;
    void refresh();
    const timer = setInterval(() => document.hidden || refresh(), interval);
    return () => clearInterval(timer);
  }, [draft?.id, revision]);
  if (!draft) return null;
  return html`<section class="strip draft" aria-label="Draft">
    <span role="status">Editing draft <b>${draft.id}</b> – ${format.count(draft.objects.length, "pending edit")}</span>
    ${draft.objects.length > 0 && html`<details key=${route.value.page + (route.value.key ?? "")} class="pending"><summary>List</summary><ul class="links">${draft.objects.map((id) => html`<li key=${id}><a href=${pathOf(id)}>${id}</a> <${DraftBadge} id=${id} /></li>`)}</ul></details>`}
    ${(draft.conflicts?.length ?? 0) > 0 && html`<${Badge} kind="bad" title=${draft.conflicts?.join(", ")}>${format.count(draft.conflicts?.length ?? 0, "conflict")}</${Badge}>`}
    <span class="grow"></span>
    ${!refusal("deploy", changeable()) && html`<a href=${draftPath(draft.id)} aria-current=${route.value.page === "draft" ? "page" : undefined}>Diff</a>`}
    ${!refusal("admin", changeable()) && html`<${CommitLink} id=${draft.id} empty=${draft.objects.length === 0} />`}
    <${Button} kind="link" title="Leave the draft as it is. Changes take effect at once then" onClick=${leave}>Leave</${Button}>
  </section>`;
}

/** @param {string} id */
export function draftPath(id) {
  return "/drafts/" + encodeURIComponent(id);
}

/** Commits the draft. What stands against it is on the draft's page.
 * @param {{id: string, empty: boolean}} props */
function CommitLink({ id, empty }) {
  const [busy, setBusy] = useState(false);
  const run = async () => {
    setBusy(true);
    try {
      await commit(id, {});
    } catch (failure) {
      toast({ kind: "bad", text: `Draft ${id} is not committed: ${/** @type {Error} */ (failure).message}`, seconds: 20 });
      go(draftPath(id));
    } finally {
      setBusy(false);
    }
  };
  return html`<${Button} kind="link" busy=${busy} disabled=${empty} onClick=${run}>Commit</${Button}>`;
}

/** What the draft that is edited does to an object.
 * @param {{id: string}} props */
export function DraftBadge({ id }) {
  const kind = mark(id);
  if (!kind) return null;
  return html`<${Badge} kind=${kind === "deleted" ? "bad" : "info"} title=${`In draft ${editing.value?.id}; not in effect`}>${kind} in the draft</${Badge}>`;
}
