// Components that all pages use.

import { useEffect, useId, useLayoutEffect, useRef, useState } from "preact/hooks";
import { signal } from "@preact/signals";
import { classes, html } from "./html.js";
import { Icon } from "./icons.js";
import { refusal } from "./session.js";

/** A button. If the user lacks the role on the object, it is disabled and says why.
 * @param {{kind?: string, role?: "deploy"|"operate"|"admin", on?: string, busy?: boolean, disabled?: boolean, icon?: any,
 *   label?: string, title?: string, type?: string, onClick?: (e: Event) => void, children?: any, class?: string}} props */
export function Button({ kind = "", role, on, busy, disabled, icon, label, title, type = "button", onClick, children, class: extra }) {
  const why = role ? refusal(role, on) : "";
  return html`<button type=${type} class=${classes("button", kind, extra, why && "refused")} aria-label=${label} title=${why || title || label || undefined}
    aria-disabled=${why ? "true" : undefined} aria-busy=${busy ? "true" : undefined} disabled=${Boolean(busy || disabled)}
    onClick=${why ? (/** @type {Event} */ e) => { e.preventDefault(); toast({ text: why, kind: "bad" }); } : onClick}>
    ${busy ? html`<span class="spinner" aria-hidden="true"></span>` : icon && html`<${Icon} name=${icon} />`}
    ${children && html`<span>${children}</span>`}
  </button>`;
}

/** A button that copies a text to the clipboard.
 * @param {{text: string|null}} props null: there is none yet */
export function CopyButton({ text }) {
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text ?? "");
      toast({ text: "Copied.", kind: "good" });
    } catch {
      toast({ text: "The browser does not allow copying from this page.", kind: "bad" });
    }
  };
  return html`<${Button} disabled=${typeof text !== "string"} onClick=${copy}>Copy</${Button}>`;
}

/** @param {{kind?: string, title?: string, children?: any}} props */
export function Badge({ kind = "", title, children }) {
  return html`<span class=${classes("badge", kind)} title=${title}>${children}</span>`;
}

/** A dialog over the page. Escape and the close button close it; the focus returns
 * to where it was.
 * @param {{title: string, onClose: () => void, wide?: boolean, busy?: boolean, children?: any}} props */
export function Dialog({ title, onClose, wide, busy, children }) {
  const ref = useRef(/** @type {HTMLDialogElement|null} */ (null));
  const id = useId();
  useLayoutEffect(() => { // before it is seen: a key may follow at once
    const dialog = ref.current;
    const before = document.activeElement;
    dialog?.showModal();
    // Not on a phone, where the keyboard would cover the text.
    if (!matchMedia("(pointer: coarse)").matches) firstField(dialog)?.focus();
    return () => {
      dialog?.close();
      if (before instanceof HTMLElement) before.focus();
    };
  }, []);
  const cancel = (/** @type {Event} */ e) => {
    e.preventDefault();
    if (!busy) onClose();
  };
  // A browser closes it unasked when Escape comes twice without a click between.
  const closed = () => {
    if (!ref.current?.isConnected) return; // it was taken away
    if (busy) ref.current.showModal();
    else onClose();
  };
  return html`<dialog ref=${ref} class=${classes("dialog", wide && "wide")} aria-labelledby=${id} onCancel=${cancel} onClose=${closed}>
    <header><h2 id=${id}>${title}</h2><${Button} kind="quiet" icon="close" label="Close" disabled=${busy} onClick=${onClose} /></header>
    ${children}
  </dialog>`;
}

/** The field of a dialog that gets the focus.
 * @param {HTMLElement|null} dialog
 * @returns {HTMLElement|null|undefined} */
function firstField(dialog) {
  return dialog?.querySelector("input:checked") ?? dialog?.querySelector(".body :is(input, select, textarea)");
}

/** Shown in place of an empty list.
 * @param {{title: string, children?: any}} props */
export function Empty({ title, children }) {
  return html`<div class="empty"><p class="title">${title}</p>${children && html`<div>${children}</div>`}</div>`;
}

/** Placeholders while data loads.
 * @param {{lines?: number}} props */
export function Loading({ lines = 3 }) {
  return html`<div class="loading" role="status" aria-label="Loading">
    ${Array.from({ length: lines }, (_, i) => html`<span key=${i} class="line"></span>`)}
  </div>`;
}

/** An error message, with what HAProxy or a tool of the cluster says if there is any.
 * @param {{error: any, onRetry?: () => void}} props */
export function Problem({ error, onRetry }) {
  if (!error) return null;
  const message = String(error.message ?? error);
  return html`<div class="problem" role="alert">
    <${Icon} name="warning" />
    <div><p>${error.output ? refusedBy(message, error.output) : sentence(message)}</p>
      ${error.output && html`<pre tabindex="0" role="group" aria-label="What it says">${error.output}</pre>`}
      ${onRetry && html`<p><${Button} onClick=${onRetry}>Try again</${Button}></p>`}
    </div>
  </div>`;
}

/** What stands before the output of whoever refused something.
 * @param {string} message of the error, which may have the output in it
 * @param {string} output */
export function refusedBy(message, output) {
  if (message.startsWith("haproxy refused")) return "HAProxy refused the configuration; nothing has changed. Its message:";
  if (message.includes("crm_verify")) return "Pacemaker refuses the configuration; nothing has changed. Its message:";
  return sentence(message.split(": " + output)[0]);
}

/** Text as a sentence: with a capital, unless it begins with a name, and a full stop.
 * @param {string} text */
export function sentence(text) {
  const whole = /^[\w.[\]]+[:/]/.test(text) ? text : text.charAt(0).toUpperCase() + text.slice(1).replace(/^aproxy\b/, "AProxy");
  return /[.!?…]$/.test(whole) ? whole : whole + ".";
}

/** @typedef {{id?: number, text: string, kind?: string, action?: {label: string, run: () => any}, seconds?: number}} Toast */

/** The messages on the screen. */
const toasts = signal(/** @type {Toast[]} */ ([]));
let nextToast = 1;

/** Shows a message in the corner of the page for a while.
 * @param {Toast} t */
export function toast(t) {
  const one = { ...t, id: nextToast++ };
  toasts.value = [...toasts.peek().slice(-2), one];
  setTimeout(() => dismiss(one.id), (t.seconds ?? 10) * 1000);
}

/** @param {number} [id] */
function dismiss(id) {
  toasts.value = toasts.peek().filter((t) => t.id !== id);
}

export function Toasts() {
  return html`<div class="toasts" role="status" aria-live="polite">
    ${toasts.value.map((t) => html`<${OneToast} key=${t.id} toast=${t} />`)}
  </div>`;
}

/** @param {{toast: Toast}} props */
function OneToast({ toast: t }) {
  const [busy, setBusy] = useState(false);
  const run = async () => {
    setBusy(true);
    try {
      await t.action?.run();
    } finally {
      dismiss(t.id);
    }
  };
  return html`<div class=${classes("toast", t.kind)}>
    <p>${t.text}</p>
    ${t.action && html`<${Button} kind="link" busy=${busy} onClick=${run}>${t.action.label}</${Button}>`}
    <${Button} kind="quiet" icon="close" label="Dismiss" onClick=${() => dismiss(t.id)} />
  </div>`;
}

/** Whether an element is visible, or nearly.
 * @param {{current: Element|null}} ref */
export function useVisible(ref) {
  const [visible, setVisible] = useState(false);
  useEffect(() => {
    if (!ref.current) return undefined;
    const watcher = new IntersectionObserver((entries) => setVisible(entries[entries.length - 1].isIntersecting), { rootMargin: "200px" });
    watcher.observe(ref.current);
    return () => watcher.disconnect();
  }, []);
  return visible;
}

/** The heading of a page. It gets the focus when the page opens.
 * @param {{children?: any}} props */
export function Title({ children }) {
  return html`<h1 tabindex="-1">${children}</h1>`;
}
