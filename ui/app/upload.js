// The form that stores a certificate with its key, or has one ordered.

import { useState } from "preact/hooks";
import { problemsOfName } from "./expiry.js";
import { Choice, errorsOf, Field, More } from "./fields.js";
import { html } from "./html.js";
import { Button, Dialog, Problem, sentence, toast } from "./parts.js";
import { address, call, Failure } from "./rest.js";
import { route } from "./router.js";
import { refusal, seesAll } from "./session.js";

/** @typedef {import("./expiry.js").Certificate} Certificate
 * @typedef {import("./types.js").FieldError} FieldError */

/** The most that a file may have, in bytes; the API takes no more. */
const maxBytes = 1 << 20;

/** What the form holds, as text. source: where the certificate comes from.
 * @typedef {{name: string, source: "pem"|"acme", chain: string, key: string, crl: string, missing: boolean, domains: string, challenge: string,
 *   directory: string, directoryCA: string, email: string, keyType: string}} Draft */

/** The fields of the form that the API names in errors. */
const paths = { pem: ["chain", "key", "crl", "allowMissingIssuer"], acme: ["acme.domains", "acme.challenge", "acme.directory", "acme.directoryCA", "acme.email", "acme.keyType"] };

/** @param {string} name
 * @param {import("./expiry.js").Order} [order] that is changed
 * @returns {Draft} */
function draftFor(name, order) {
  return {
    name, source: order ? "acme" : "pem", chain: "", key: "", crl: "", missing: false, domains: order?.domains.join("\n") ?? "", challenge: order?.challenge ?? "",
    directory: order?.directory ?? "", directoryCA: order?.directoryCA ?? "", email: order?.email ?? "", keyType: order?.keyType ?? "",
  };
}

/** What of the form lacks before it can be sent.
 * @param {Draft} d
 * @param {Certificate} [former]
 * @returns {FieldError[]} */
function lacking(d, former) {
  if (d.source === "acme") return domainsOf(d).length > 0 ? [] : [{ path: "acme.domains", problem: "is missing", expected: "the host names of the certificate" }];
  if (d.chain.trim() || (former?.kind === "authority" && d.crl.trim())) return [];
  return [{ path: "chain", problem: "is missing", expected: "a certificate in PEM" }];
}

/** @param {Draft} d */
const domainsOf = (d) => d.domains.split(/[\s,]+/).filter(Boolean);

/** The body of the request.
 * @param {Draft} d */
function bodyOf(d) {
  if (d.source === "pem") {
    const chain = d.chain.trim() ? { chain: d.chain } : {};
    return { ...chain, ...(d.key.trim() ? { key: d.key } : {}), ...(d.crl.trim() ? { crl: d.crl } : {}), ...(d.missing ? { allowMissingIssuer: true } : {}) };
  }
  const given = Object.entries({ challenge: d.challenge, directory: d.directory.trim(), directoryCA: d.directoryCA.trim(), email: d.email.trim(), keyType: d.keyType });
  return { acme: { domains: domainsOf(d), ...Object.fromEntries(given.filter(([, value]) => value)) } };
}

/** @param {{list: Certificate[], onClose: () => void}} props list: all that are stored */
export function Upload({ list, onClose }) {
  const [known] = useState(list); // what others store meanwhile is not replaced
  const [draft, setDraft] = useState(() => {
    const name = route.peek().query.get("replace") ?? "";
    return draftFor(name, list.find((c) => c.key === name)?.acme);
  });
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState(/** @type {Failure|null} */ (null));
  const [errors, setErrors] = useState(/** @type {FieldError[]} */ ([])); // of the fields, until they change
  const name = draft.name.trim();
  const former = known.find((c) => c.key === name);
  const mark = (/** @type {string} */ path, /** @type {FieldError[]} */ found) => setErrors((all) => [...all.filter((e) => e.path !== path && !e.path.startsWith(path + "[")), ...found]);
  const set = (/** @type {string} */ path, /** @type {any} */ value) => {
    setDraft((d) => ({ ...d, [path.replace("acme.", "").replace("allowMissingIssuer", "missing")]: value }));
    mark(path, []);
  };
  const submit = async (/** @type {Event} */ e) => {
    e.preventDefault();
    const problems = [...problemsOfName(name), ...lacking(draft, former)];
    setErrors(problems);
    setError(null);
    if (problems.length > 0 || refusal("admin", "certificate/" + name)) return;
    setBusy(true);
    try {
      await store(name, bodyOf(draft), former);
      onClose();
    } catch (failure) {
      setError(/** @type {Failure} */ (failure));
      setErrors(/** @type {Failure} */ (failure).fields);
      setBusy(false);
    }
  };
  const isMarked = error !== null && error.fields.length > 0 && error.fields.every((f) => paths[draft.source].some((path) => errorsOf([f], path, true).length > 0));
  const Fields = draft.source === "acme" ? OrderFields : PEMFields;
  const verb = draft.source === "acme" ? "Order" : former ? "Replace" : "Upload";
  return html`<${Dialog} wide title=${former ? `${former.acme && draft.source === "acme" ? "Change" : "Replace"} ${former.key}` : "Add a certificate"} busy=${busy} onClose=${onClose}><form onSubmit=${submit} novalidate>
    <div class="body">
      <${Field} path="name" label="Name" required placeholder="shop" value=${draft.name} errors=${errors} onChange=${(/** @type {string} */ v) => set("name", v)} hint=${former ? replaced(former, draft.source) : "Frontends and backends use the certificate by this name."} />
      <${Field} path="source" label="Where it comes from" value=${draft.source} errors=${errors} options=${[["pem", "I have it in PEM"], ["acme", "Order it by ACME"]]} onChange=${(/** @type {string} */ v) => { setErrors([]); setError(null); set("source", v); }} />
      <${Fields} draft=${draft} errors=${errors} set=${set} mark=${mark} />
      ${error && !isMarked && html`<${Problem} error=${error} />`}</div>
    <footer><${Button} disabled=${busy} onClick=${onClose}>Cancel</${Button}><${Button} kind="primary" type="submit" role="admin" on=${"certificate/" + name} busy=${busy}>${verb}</${Button}></footer>
  </form></${Dialog}>`;
}

/** @typedef {{draft: Draft, errors: FieldError[], set: (path: string, value: any) => void, mark: (path: string, found: FieldError[]) => void}} FieldsProps */

/** @param {FieldsProps} props */
function PEMFields({ draft, errors, set, mark }) {
  const field = (/** @type {"chain"|"key"|"crl"} */ path, /** @type {any} */ rest) =>
    html`<${Field} path=${path} value=${draft[path]} errors=${errors} code onChange=${(/** @type {string} */ v) => set(path, v)} ...${rest} />`;
  const file = (/** @type {"chain"|"key"|"crl"} */ path, /** @type {string} */ label) =>
    html`<${FileField} id=${"f-" + path + "-file"} label=${label} onText=${(/** @type {string} */ text) => set(path, text)} onProblem=${(/** @type {string} */ problem, /** @type {string} */ expected) => mark(path, [{ path, problem, expected }])} />`;
  const lists = Boolean(draft.crl) || errorsOf(errors, "crl").length > 0;
  return html`${field("chain", { label: "Certificate and chain (PEM)", required: true, lines: 6, hint: "With the intermediate certificates, in any order. Certificates of authorities (CAs) need no key." })}
    ${file("chain", "Certificate from a file")}
    ${field("key", { label: "Private key (PEM)", lines: 4, hint: "Not encrypted. It may also be in the text above. It is never shown again once it is stored." })}
    ${file("key", "Private key from a file")}
    <${Choice} path="allowMissingIssuer" label="Store it also without the certificate of its issuer" checked=${draft.missing} errors=${errors} onChange=${(/** @type {boolean} */ v) => set("allowMissingIssuer", v)} hint="For clients that know the issuer. Others refuse such a certificate." />
    <${More} title="Revocation lists of authorities" open=${lists}>
      ${field("crl", { label: "Revocation lists (PEM)", lines: 4, hint: "One of each authority. Clients whose certificates are listed are refused. Without a certificate above, they replace the lists of the stored authorities." })}
      ${file("crl", "Revocation lists from a file")}</${More}>`;
}

/** @param {FieldsProps} props */
function OrderFields({ draft, errors, set }) {
  const field = (/** @type {"domains"|"challenge"|"directory"|"directoryCA"|"email"|"keyType"} */ name, /** @type {any} */ rest) =>
    html`<${Field} path=${"acme." + name} value=${draft[name]} errors=${errors} onChange=${(/** @type {string} */ v) => set("acme." + name, v)} ...${rest} />`;
  return html`${field("domains", { label: "Host names", required: true, lines: 3, placeholder: "shop.example", hint: "One a line. *.shop.example needs a DNS record." })}
    ${field("challenge", { label: "Proof", options: [["", "HTTP, at port 80 (http-01)"], ["dns-01", "A DNS record (dns-01)"]].map(([v, words]) => [v || (draft.challenge === "http-01" ? "http-01" : ""), words]) })}
    ${field("keyType", { label: "Key", options: [["ecdsa", "ECDSA P-256"], ["ecdsa-p384", "ECDSA P-384"], ["rsa", "RSA 2048"], ["rsa-3072", "RSA 3072"], ["rsa-4096", "RSA 4096"]].map(([v, words]) => [v === "ecdsa" && !draft.keyType ? "" : v, words]) })}
    ${field("email", { label: "Mail address", placeholder: "admin@shop.example", hint: "Where the authority writes to." })}
    <${More} title="ACME server" open=${Boolean(draft.directory || draft.directoryCA) || errorsOf(errors, "acme.directory").length + errorsOf(errors, "acme.directoryCA").length > 0}>
      ${field("directory", { label: "Directory", hint: "An https URL. Let's Encrypt, if empty." })}
      ${field("directoryCA", { label: "Authority of the server (PEM)", lines: 4, code: true, hint: "For a private server. Else the authorities of the agent's machine." })}</${More}>
    <p class="muted">By ordering you accept the terms of service of the server.</p>`;
}

/** What an upload replaces, in words.
 * @param {Certificate} c
 * @param {"pem"|"acme"} source */
function replaced(c, source) {
  const users = c.usedBy ?? [];
  const use = users.length === 0 ? (seesAll() ? "Nothing uses it." : "Nothing that you may see uses it.") : `${users.slice(0, 3).join(", ")}${users.length > 3 ? ` and ${users.length - 3} more` : ""} ${users.length === 1 ? "uses" : "use"} it.`;
  return `This replaces the certificate of this name. ${use}${c.acme && source === "pem" ? " It is ordered by ACME now; after this it is no longer renewed." : ""}${!c.acme && source === "acme" ? " A stand-in that clients refuse serves until the new one is issued." : ""}`;
}

/** Stores a certificate, and tells what came of it.
 * @param {string} name
 * @param {any} body
 * @param {Certificate} [former] that it replaces; absent: there must be none of the name
 * @throws {Failure} */
async function store(name, body, former) {
  const { data } = await call("PUT", address("certificate/" + name), { body, headers: former ? { "If-Match": await tagOf(former) } : { "If-None-Match": "*" } });
  const warnings = (data.warnings ?? []).map(sentence).join(" ");
  const done = body.acme ? `${name} is being ordered. Source shows how that goes.` : `${name} is stored and in effect.`;
  toast(data.applied ? { kind: warnings ? "bad" : "good", ...(warnings ? { seconds: 15 } : {}), text: `${done} ${warnings}`.trim() }
    : { kind: "bad", text: `${name} is stored, but not in effect yet: ${data.reason}`, seconds: 15 });
}

/** The tag of a certificate that is still the one that the form was opened with.
 * @param {Certificate} c
 * @throws {Failure} */
async function tagOf(c) {
  const { data, etag } = await call("GET", address(c.id));
  if (definition(data) !== definition(c)) throw new Failure(412, { error: `${c.id} has changed since the form was opened, and is not replaced. Close the form to see it.` });
  return etag;
}

/** What was stored or asked for, as text. What has been issued is no part of it.
 * @param {Certificate} c */
function definition({ files, acme, crl }) {
  if (!acme) return JSON.stringify([files.map((f) => f.digest), crl]);
  return JSON.stringify([acme.domains, acme.challenge, acme.directory, acme.directoryCA, acme.email, acme.keyType]);
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
  return html`<div class="field"><label for=${id}>${label}</label><input id=${id} type="file" accept=".pem,.crt,.cer,.key,.crl" onChange=${read} /></div>`;
}
