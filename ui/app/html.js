import htm from "htm";
import { h } from "preact";

/** Writes elements: html`<p class="muted">${text}</p>`. Text is escaped.
 * @type {(strings: TemplateStringsArray, ...values: any[]) => any} */
export const html = htm.bind(/** @type {any} */ (h));

/** @param {...(string|false|null|undefined)} names */
export function classes(...names) {
  return names.filter(Boolean).join(" ");
}
