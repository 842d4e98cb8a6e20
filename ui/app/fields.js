// Form fields: a label, the input, a hint, and the API's errors.

import { html, classes } from "./html.js";
import { Button, sentence } from "./parts.js";

/** @typedef {import("./types.js").FieldError} FieldError */

/** The errors of a field and of its parts.
 * @param {FieldError[]} errors
 * @param {string} path e.g. "health.uri", "rules[0].value"
 * @param {boolean} [inside] also the errors of its parts */
export function errorsOf(errors, path, inside = false) {
  return errors.filter((e) => e.path === path || (inside && (e.path.startsWith(path + "[") || e.path.startsWith(path + "."))));
}

/** @param {{id: string, errors: FieldError[]}} props */
function Errors({ id, errors }) {
  if (errors.length === 0) return null;
  return html`<p id=${id} class="field-error" role="alert">${errors.map((e) => sentence(`${e.problem}${e.expected ? `; expected ${e.expected}` : ""}`)).join(" ")}</p>`;
}

/** An input with its label, hint and errors.
 * @param {{path: string, label: string, value: string, onChange: (v: string) => void, errors: FieldError[], hint?: any, placeholder?: string,
 *   required?: boolean, options?: [string, string][], list?: string[], lines?: number, number?: boolean, code?: boolean, compact?: boolean, disabled?: boolean}} props */
export function Field({ path, label, value, onChange, errors, hint, placeholder, required, options, list, lines, number, code, compact, disabled }) {
  const id = "f-" + path.replace(/[^A-Za-z0-9]+/g, "-");
  const bad = errorsOf(errors, path, Boolean(lines));
  const described = [hint && id + "-hint", bad.length > 0 && id + "-error"].filter(Boolean).join(" ") || undefined;
  const common = {
    id, "aria-describedby": described, "aria-invalid": bad.length ? "true" : undefined, required, disabled,
    class: code ? "code-input" : undefined, placeholder,
  };
  const input = (/** @type {any} */ e) => onChange(e.target.value);
  return html`<div class=${classes("field", bad.length > 0 && "bad", compact && "compact")}>
    <label for=${id}>${label}${required && html` <span class="muted" aria-hidden="true">required</span>`}</label>
    ${options ? html`<select ...${common} value=${value} onChange=${input}>${options.map(([v, words]) => html`<option key=${v} value=${v} selected=${v === value}>${words}</option>`)}</select>`
      : lines ? html`<textarea ...${common} rows=${lines} spellcheck=${false} value=${value} onInput=${input}></textarea>`
        : html`<input ...${common} type="text" inputmode=${number ? "numeric" : undefined} autocomplete="off" autocapitalize="off" spellcheck=${false} list=${list ? id + "-list" : undefined} value=${value} onInput=${input} />`}
    ${list && html`<datalist id=${id + "-list"}>${list.map((v) => html`<option key=${v} value=${v}></option>`)}</datalist>`}
    <${Errors} id=${id + "-error"} errors=${bad} />
    ${hint && html`<p id=${id + "-hint"} class="hint">${hint}</p>`}
  </div>`;
}

/** A box to check, with its label and hint.
 * @param {{path: string, label: string, checked: boolean, onChange: (v: boolean) => void, errors: FieldError[], hint?: any}} props */
export function Choice({ path, label, checked, onChange, errors, hint }) {
  const id = "f-" + path.replace(/[^A-Za-z0-9]+/g, "-");
  const bad = errorsOf(errors, path);
  const described = [hint && id + "-hint", bad.length > 0 && id + "-error"].filter(Boolean).join(" ") || undefined;
  return html`<div class=${classes("field", bad.length > 0 && "bad")}>
    <label class="choice" for=${id}><input id=${id} type="checkbox" checked=${checked} aria-describedby=${described} aria-invalid=${bad.length ? "true" : undefined} onChange=${(/** @type {any} */ e) => onChange(e.target.checked)} /> ${label}</label>
    <${Errors} id=${id + "-error"} errors=${bad} />
    ${hint && html`<p id=${id + "-hint"} class="hint">${hint}</p>`}
  </div>`;
}

/** A list whose items can be added, moved and removed.
 * @param {{title: string, hint?: any, items: any[], fresh: () => any, add: string, onChange: (items: any[]) => void, ordered?: boolean,
 *   name: (i: number) => string, children: (item: any, set: (changed: any) => void, i: number) => any}} props */
export function Repeated({ title, hint, items, fresh, add, onChange, ordered, name, children }) {
  const set = (/** @type {number} */ i, /** @type {any} */ item) => onChange(items.map((old, j) => (j === i ? { ...old, ...item } : old)));
  const up = (/** @type {number} */ i) => onChange([...items.slice(0, i - 1), items[i], items[i - 1], ...items.slice(i + 1)]);
  return html`<fieldset class="repeated"><legend>${title}</legend>${hint && html`<p class="hint">${hint}</p>`}
    ${items.map((item, i) => html`<div key=${i} class="item" role="group" aria-label=${name(i)}>
      <div class="parts">${children(item, (changed) => set(i, changed), i)}</div>
      ${ordered && html`<${Button} kind="quiet" icon="up" label=${`Move ${name(i)} up`} disabled=${i === 0} onClick=${() => up(i)} />`}
      <${Button} kind="quiet" icon="trash" label=${`Remove ${name(i)}`} onClick=${() => onChange(items.filter((_, j) => j !== i))} />
    </div>`)}
    <${Button} icon="plus" onClick=${() => onChange([...items, fresh()])}>${add}</${Button}>
  </fieldset>`;
}

/** Advanced fields, collapsed at first.
 * @param {{title: string, open?: boolean, children?: any}} props */
export function More({ title, open, children }) {
  return html`<details class="more-fields" open=${open}><summary>${title}</summary><div>${children}</div></details>`;
}
