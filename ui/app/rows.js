// The rows of the overview: a frontend or a backend.

import { useRef, useState } from "preact/hooks";
import { CanaryBadge } from "./canary.js";
import { DraftBadge } from "./draftbar.js";
import { shown } from "./editing.js";
import { Donut } from "./graphs.js";
import { classes, html } from "./html.js";
import { follow, object } from "./live.js";
import { Members } from "./members.js";
import { Figures, statusKind } from "./numbers.js";
import { Badge, Button, Empty, useVisible } from "./parts.js";
import { addresses } from "./rawlines.js";
import { pathOf } from "./router.js";
import { SwitchButton } from "./switch.js";

/** @param {{id: string}} props */
export function FrontendRow({ id }) {
  const ref = useRef(/** @type {HTMLElement|null} */ (null));
  const visible = useVisible(ref);
  /** @type {import("./types.js").Frontend|undefined} */
  const f = shown(id);
  const stat = follow("stat/" + id, visible);
  if (!f) return null;
  const rules = f.rules.length + f.natives.length;
  return html`<article ref=${ref} class="row frontend" aria-label=${`Frontend ${f.key}`}>
    <div class="line">
      <i class=${classes("light", statusKind(stat?.status))} title=${stat?.status ?? "not in HAProxy"}></i>
      <div class="what"><a class="name" href=${pathOf(id)}>${f.key}</a> <${DraftBadge} id=${id} />
        <span class="sub"><code>${addresses(f)}</code>${f.mode === "tcp" && html` <${Badge}>tcp</${Badge}>`}</span></div>
      <div class="to"><span class="sub">→ ${f.backend ? html`<a href=${pathOf("backend/" + f.backend)}>${f.backend}</a>` : "rules only"}</span>
        ${rules > 0 && html`<span class="sub">${words(f)}</span>`}</div>
      <${Figures} stat=${stat} tcp=${f.mode === "tcp"} responses=${false} />
      <span class="sub status">${stat?.status ?? "not in HAProxy"}</span>
    </div>
  </article>`;
}

/** @param {import("./types.js").Frontend} f */
function words(f) {
  const parts = [];
  if (f.rules.length) parts.push(f.rules.length === 1 ? "1 rule" : `${f.rules.length} rules`);
  if (f.natives.length) parts.push(f.natives.length === 1 ? "1 raw line" : `${f.natives.length} raw lines`);
  return parts.join(", ");
}

/** Rows that the user opened or closed, by id. */
const opened = new Map();

/** @param {{id: string, open: boolean}} props open: until the user opens or closes it */
export function BackendRow({ id, open }) {
  const ref = useRef(/** @type {HTMLElement|null} */ (null));
  const visible = useVisible(ref);
  const [, again] = useState(0);
  /** @type {import("./types.js").Backend|undefined} */
  const b = shown(id);
  const stat = follow("stat/" + id, visible);
  const service = b?.name ? object("service/" + b.name).value : undefined;
  if (!b) return null;
  const isOpen = opened.get(id) ?? open;
  const toggle = () => {
    opened.set(id, !isOpen);
    again((n) => n + 1);
  };
  return html`<article ref=${ref} class=${classes("row backend", isOpen && "open")} aria-label=${`Backend ${b.key}`}>
    <div class="line">
      <${Donut} healthy=${stat?.healthy} members=${stat?.members ?? b.members?.length ?? 0} />
      <div class="what"><a class="name" href=${pathOf(id)}>${b.key}</a> <${DraftBadge} id=${id} />
        <span class="sub">${b.type === "dynamic" ? b.name : "static"} · ${b.balance}${b.mode === "tcp" ? " · tcp" : ""}</span></div>
      <div class="to">${b.type === "dynamic" && html`<${SwitchButton} backend=${b} />`}<${CanaryBadge} name=${b.key} /><${Trouble} service=${service} /></div>
      <${Figures} stat=${stat} tcp=${b.mode === "tcp"} />
      <${Button} kind="quiet" class="toggle" icon="chevron" label=${`${isOpen ? "Hide" : "Show"} members of ${b.key}`} onClick=${toggle} />
    </div>
    ${isOpen && (object(id).value ? html`<${Members} backend=${object(id).value} />` : html`<${NotInEffect} />`)}
  </article>`;
}

/** In place of the members of a backend that only the draft has. */
export function NotInEffect() {
  return html`<${Empty} title="Not in effect">This backend is only in the draft. It has no members in HAProxy before the commit.</${Empty}>`;
}

/** @param {{service: import("./types.js").Service|undefined}} props */
export function Trouble({ service }) {
  if (service?.hold) return html`<${Badge} kind="bad" title=${service.hold.reason}>held</${Badge}>`;
  if (service?.stale) return html`<${Badge} kind="fair" title=${service.stale}>${service.known ? "stale" : "unknown"}</${Badge}>`;
  return null;
}
