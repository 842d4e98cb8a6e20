// The form that stores a certificate with its key.

import { useState } from "preact/hooks";
import { problemsOfName } from "./expiry.js";
import { errorsOf, Field } from "./fields.js";
import { html } from "./html.js";
import { Button, Dialog, Problem, sentence, toast } from "./parts.js";
import { address, call, Failure } from "./rest.js";
import { route } from "./router.js";
import { refusal, seesAll } from "./session.js";

/** @typedef {import("./expiry.js").Certificate} Certificate
 * @typedef {import("./types.js").FieldError} FieldError */

/** The most that a file may have, in bytes; the API takes no more. */
const maxBytes = 1 << 20;

/** @param {{list: Certificate[], onClose: () => void}} props list: all that are stored */
export function Upload({ list, onClose }) {
  const [known] = useState(list); // what others store meanwhile is not replaced
  const [draft, setDraft] = useState({ name: route.peek().query.get("replace") ?? "", chain: "", key: "" });
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState(/** @type {Failure|null} */ (null));
  const [errors, setErrors] = useState(/** @type {FieldError[]} */ ([])); // of the fields, until they change
  const name = draft.name.trim();
  const former = known.find((c) => c.key === name);
  const mark = (/** @type {string} */ field, /** @type {FieldError[]} */ found) => setErrors((all) => [...all.filter((e) => e.path !== field), ...found]);
  const set = (/** @type {string} */ field, /** @type {string} */ value) => {
    setDraft((d) => ({ ...d, [field]: value }));
    mark(field, []);
  };
  const submit = async (/** @type {Event} */ e) => {
    e.preventDefault();
    const missing = draft.chain.trim() ? [] : [{ path: "chain", problem: "is missing", expected: "a certificate in PEM" }];
    const problems = [...problemsOfName(name), ...missing];
    setErrors(problems);
    setError(null);
    if (problems.length > 0 || refusal("admin", "certificate/" + name)) return;
    setBusy(true);
    try {
      await store(name, draft, former);
      onClose();
    } catch (failure) {
      setError(/** @type {Failure} */ (failure));
      setErrors(/** @type {Failure} */ (failure).fields);
      setBusy(false);
    }
  };
  const isMarked = error !== null && error.fields.length > 0 && error.fields.every((f) => ["key", "chain"].some((path) => errorsOf([f], path, true).length > 0));
  const field = (/** @type {"name"|"chain"|"key"} */ path, /** @type {any} */ rest) =>
    html`<${Field} path=${path} value=${draft[path]} errors=${errors} onChange=${(/** @type {string} */ v) => set(path, v)} ...${rest} />`;
  const file = (/** @type {"chain"|"key"} */ path, /** @type {string} */ label) =>
    html`<${FileField} id=${"f-" + path + "-file"} label=${label} onText=${(/** @type {string} */ text) => set(path, text)} onProblem=${(/** @type {string} */ problem, /** @type {string} */ expected) => mark(path, [{ path, problem, expected }])} />`;
  return html`<${Dialog} wide title=${former ? `Replace ${former.key}` : "Upload a certificate"} busy=${busy} onClose=${onClose}><form onSubmit=${submit} novalidate>
    <div class="body">
      ${field("name", { label: "Name", required: true, placeholder: "shop", hint: former ? replaced(former) : "Frontends and backends use the certificate by this name." })}
      ${field("chain", { label: "Certificate and chain (PEM)", required: true, lines: 6, code: true, hint: "With the intermediate certificates, in any order. Certificates of authorities (CAs) need no key." })}
      ${file("chain", "Certificate from a file")}
      ${field("key", { label: "Private key (PEM)", lines: 4, code: true, hint: "Not encrypted. It may also be in the text above. It is never shown again once it is stored." })}
      ${file("key", "Private key from a file")}
      ${error && !isMarked && html`<${Problem} error=${error} />`}</div>
    <footer><${Button} disabled=${busy} onClick=${onClose}>Cancel</${Button}><${Button} kind="primary" type="submit" role="admin" on=${"certificate/" + name} busy=${busy}>${former ? "Replace" : "Upload"}</${Button}></footer>
  </form></${Dialog}>`;
}

/** What an upload replaces, in words.
 * @param {Certificate} c */
function replaced(c) {
  const users = c.usedBy ?? [];
  const use = users.length === 0 ? (seesAll() ? "Nothing uses it." : "Nothing that you may see uses it.") : `${users.slice(0, 3).join(", ")}${users.length > 3 ? ` and ${users.length - 3} more` : ""} ${users.length === 1 ? "uses" : "use"} it.`;
  return `This replaces the certificate of this name. ${use}${c.acme ? " It is ordered by ACME now; after this it is no longer renewed." : ""}`;
}

/** Stores a certificate, and tells what came of it.
 * @param {string} name
 * @param {{chain: string, key: string}} pem
 * @param {Certificate} [former] that it replaces; absent: there must be none of the name
 * @throws {Failure} */
async function store(name, { chain, key }, former) {
  const { data } = await call("PUT", address("certificate/" + name), {
    body: { chain, ...(key.trim() ? { key } : {}) }, headers: former ? { "If-Match": await tagOf(former) } : { "If-None-Match": "*" },
  });
  const warnings = (data.warnings ?? []).map(sentence).join(" ");
  toast(data.applied ? { kind: warnings ? "bad" : "good", ...(warnings ? { seconds: 15 } : {}), text: `${name} is stored and in effect. ${warnings}`.trim() }
    : { kind: "bad", text: `${name} is stored, but not in effect yet: ${data.reason}`, seconds: 15 });
}

/** The tag of a certificate that is still the one that the form was opened with.
 * @param {Certificate} c
 * @throws {Failure} */
async function tagOf(c) {
  const { data, etag } = await call("GET", address(c.id));
  const files = (/** @type {Certificate} */ of) => of.files.map((f) => f.digest).join();
  if (files(data) !== files(c)) throw new Failure(412, { error: `${c.id} has changed since the form was opened, and is not replaced. Close the form to see it.` });
  return etag;
}

/** @param {{id: string, label: string, onText: (text: string) => void, onProblem: (problem: string, expected: string) => void}} props */
function FileField({ id, label, onText, onProblem }) {
  const read = async (/** @type {any} */ e) => {
    /** @type {File|undefined} */
    const file = e.target.files[0];
    if (!file) return;
    if (file.size > maxBytes) {
      e.target.value = "";
      return onProblem(`is in a file of ${file.size} bytes`, `at most ${maxBytes}`);
    }
    try {
      onText(await file.text());
    } catch {
      onProblem(`could not be read from ${file.name}`, "a file in PEM");
    }
  };
  return html`<div class="field"><label for=${id}>${label}</label><input id=${id} type="file" accept=".pem,.crt,.cer,.key" onChange=${read} /></div>`;
}
