// The page of the stored certificates: what expires when, where each is used, upload, renewal
// and deletion.

import { useEffect, useState } from "preact/hooks";
import { atOnce } from "./editing.js";
import { hasWords, isAwaited, sorted, urgency } from "./expiry.js";
import * as format from "./format.js";
import { html } from "./html.js";
import { Icon } from "./icons.js";
import { now, object } from "./live.js";
import { Badge, Button, Dialog, Empty, Loading, Problem, sentence, Title, toast } from "./parts.js";
import { address, call, get } from "./rest.js";
import { pathOf, query, route } from "./router.js";
import { identity, refusal, seesAll } from "./session.js";
import { Upload } from "./upload.js";

/** @typedef {import("./expiry.js").Certificate} Certificate */

/** How often the list is read again, in milliseconds: while an order is under way, and else. */
const soonMS = 2000, lateMS = 30_000;

/** @returns {{list: Certificate[]|null, error: any, again: () => void}} */
function useCertificates() {
  const [list, setList] = useState(/** @type {Certificate[]|null} */ (null));
  const [error, setError] = useState(/** @type {any} */ (null));
  const [turn, setTurn] = useState(0);
  const revision = object("status").value?.revision;
  const isBusy = list?.some((c) => c.acme?.state === "ordering" || c.acme?.state === "waiting");
  useEffect(() => {
    const stop = new AbortController();
    const load = () => get("/certificates", stop.signal).then((all) => { setList(all); setError(null); }, (failure) => stop.signal.aborted || setError(failure));
    void load();
    const timer = setInterval(() => document.visibilityState === "visible" && load(), isBusy ? soonMS : lateMS);
    return () => {
      clearInterval(timer);
      stop.abort();
    };
  }, [revision, turn, isBusy]);
  return { list, error, again: () => setTurn((n) => n + 1) };
}

export function CertificatesPage() {
  const { list, error, again } = useCertificates();
  const [removing, setRemoving] = useState(/** @type {Certificate|null} */ (null));
  const at = route.value.query;
  const text = at.get("q") ?? "", upload = at.get("new");
  const found = sorted((list ?? []).filter((c) => hasWords(c, text)));
  const mayUpload = Boolean(identity.value) && !refusal("admin", "certificate/");
  return html`<div class="head"><${Title}>Certificates</${Title}><span class="grow"></span>
      <${Button} role="admin" on="certificate/" icon="plus" onClick=${() => query({ new: "1" })} ...${atOnce()}>Add</${Button}></div>
    <${Problem} error=${error} onRetry=${again} />
    ${!list && !error && html`<${Loading} />`}
    ${list?.length === 0 && html`<${Empty} title="No certificates">${mayUpload ? "Upload one, or order it by ACME." : "There are none that you may see."}</${Empty}>`}
    ${list && list.length > 0 && html`<${Search} text=${text} found=${found.length} all=${list.length} />
      ${found.length === 0 ? html`<${Empty} title="No matches"><${Button} kind="link" onClick=${() => query({ q: null })}>Show all</${Button}></${Empty}>`
        : html`<${Table} list=${found} onRemove=${setRemoving} onChange=${again} />`}`}
    ${upload !== null && mayUpload && list && html`<${Upload} key=${upload} list=${list} onClose=${() => { query({ new: null, replace: null }); again(); }} />`}
    ${removing && html`<${Remove} certificate=${removing} onClose=${() => { setRemoving(null); again(); }} />`}`;
}

/** @param {{text: string, found: number, all: number}} props */
function Search({ text, found, all }) {
  return html`<div class="toolbar" role="search">
    <div class="search"><${Icon} name="search" />
      <input type="search" aria-label="Search certificates" placeholder="Search by name, host, issuer, use…" value=${text} onInput=${(/** @type {any} */ e) => query({ q: e.target.value })} /></div>
    <span class="muted" role="status">${found < all ? `${found} of ${all}` : ""}</span>
  </div>`;
}

/** @param {{list: Certificate[], onRemove: (c: Certificate) => void, onChange: () => void}} props */
function Table({ list, onRemove, onChange }) {
  return html`<section class="panel" aria-label="Certificates"><div class="scroll" tabindex="0" role="region" aria-label="Stored certificates"><table class="certificates">
    <thead><tr><th scope="col">Name</th><th scope="col">Hosts</th><th scope="col">Expires</th><th scope="col">Issuer</th><th scope="col">Key</th><th scope="col">Used by</th><th scope="col">Source</th><th scope="col"><span class="hidden">Actions</span></th></tr></thead>
    <tbody>${list.map((c) => html`<${Row} key=${c.key} certificate=${c} onRemove=${() => onRemove(c)} onChange=${onChange} />`)}</tbody></table></div></section>`;
}

/** @param {{certificate: Certificate, onRemove: () => void, onChange: () => void}} props */
function Row({ certificate: c, onRemove, onChange }) {
  const at = now.peek(), end = urgency(c, at);
  const users = c.usedBy ?? [];
  return html`<tr id=${c.id}><th scope="row"><b>${c.key}</b>${c.kind === "authority" && html` <${Badge}>${c.files[0]?.chain.length === 1 ? "authority" : `${c.files[0]?.chain.length} authorities`}</${Badge}>`}</th>
    <${Cell} label="Hosts">${few(c.names) || (c.kind === "authority" ? c.subject : format.unknown)}</${Cell}>
    <${Cell} label="Expires"><${Badge} kind=${end.kind}>${end.text}</${Badge}><span class="sub">${isAwaited(c) ? "until then, clients refuse the stand-in" : html`<time datetime=${c.expires}>${format.clock(c.expires, at)}</time>`}</span><${Revocation} certificate=${c} /></${Cell}>
    <${Cell} label="Issuer">${isAwaited(c) ? format.unknown : c.issuer === c.subject ? "itself" : c.issuer}</${Cell}>
    <${Cell} label="Key">${[...new Set(c.files.map((f) => f.chain[0]?.algorithm))].join(", ") || format.unknown}</${Cell}>
    <${Cell} label="Used by">${users.length === 0 ? html`<span class="muted">${seesAll() ? "nothing" : "nothing that you may see"}</span>` : html`<ul>${users.slice(0, 5).map((id) => html`<li key=${id}><a href=${pathOf(id)}>${id}</a></li>`)}${users.length > 5 && html`<li>${users.length - 5} more</li>`}</ul>`}</${Cell}>
    <${Cell} label="Source"><${Source} certificate=${c} /></${Cell}>
    <td class="actions"><${Actions} certificate=${c} onRemove=${onRemove} onChange=${onChange} /></td></tr>`;
}

/** What is known of revocations: the lists of authorities, and the OCSP responses of what clients get.
 * @param {{certificate: Certificate}} props */
function Revocation({ certificate: { crl, files } }) {
  const at = now.peek();
  if (crl) {
    const revoked = crl.lists.reduce((n, l) => n + l.revoked, 0), ended = Date.parse(crl.nextUpdate) <= at;
    return html`<span class=${ended ? "sub bad" : "sub"}>${ended ? "revocation list expired: all are refused" : html`${revoked} revoked, list until <time datetime=${crl.nextUpdate}>${format.clock(crl.nextUpdate, at)}</time>`}</span>`;
  }
  return files.map(({ digest, ocsp: o }) => {
    if (!o || (o.state === "none" && !o.mustStaple)) return null;
    if (o.state === "stapled" && !o.error) return html`<span key=${digest} class="sub">OCSP until <time datetime=${o.nextUpdate}>${format.clock(o.nextUpdate ?? "", at)}</time></span>`;
    return html`<span key=${digest} class=${o.state === "waiting" ? "sub" : "sub bad"}>${o.state === "revoked" ? "revoked, says its authority" : sentence(`OCSP: ${o.error ?? "waiting"}`)}</span>`;
  });
}

/** A cell that says what it is where the table has no head, as on a phone.
 * @param {{label: string, children?: any}} props */
function Cell({ label, children }) {
  return html`<td data-label=${label}><div>${children}</div></td>`;
}

/** The first names of a list, and how many there are besides.
 * @param {string[]} names */
function few(names) {
  return names.slice(0, 3).join(", ") + (names.length > 3 ? ` and ${names.length - 3} more` : "");
}

/** From when to when.
 * @param {{start: string, end: string}} window @param {number} at */
function period({ start, end }, at) {
  return html`from <time datetime=${start}>${format.clock(start, at)}</time> to <time datetime=${end}>${format.clock(end, at)}</time>`;
}

/** Where a certificate is from, and how its renewal stands.
 * @param {{certificate: Certificate}} props */
function Source({ certificate: { acme: o } }) {
  if (!o) return "uploaded";
  const at = now.peek();
  return html`ACME ${o.state && html`<${Badge} kind=${{ failed: "bad", issued: "good", waiting: "fair" }[o.state] ?? "info"}>${o.state}</${Badge}>`}
    ${o.state === "ordering" && o.step && html`<span class="sub">${o.step}</span>`}
    ${o.lastRenewal && html`<span class="sub">last renewal <time datetime=${o.lastRenewal}>${format.clock(o.lastRenewal, at)}</time></span>`}
    ${o.next && html`<span class="sub">next ${o.error ? "attempt" : "renewal"} <time datetime=${o.next}>${format.clock(o.next, at)}</time></span>`}
    ${o.window && html`<span class="sub">the server wants it ${period(o.window, at)}${o.window.explanation && html`, <a href=${o.window.explanation} rel="noreferrer noopener" target="_blank">why</a>`}</span>`}
    ${o.error && html`<span class=${o.state === "waiting" ? "sub" : "sub bad"}>${sentence(o.error)}</span>`}
    ${o.alone && html`<span class="sub">${sentence(o.alone)}</span>`}`;
}

/** What the user may do with a certificate.
 * @param {{certificate: Certificate, onRemove: () => void, onChange: () => void}} props */
function Actions({ certificate: c, onRemove, onChange }) {
  const [busy, setBusy] = useState(false);
  const renew = async () => {
    setBusy(true);
    try {
      await call("POST", `${address(c.id)}/renew`);
      toast({ text: `${c.key} is being ordered again. The column Source shows the progress.`, kind: "good" });
    } catch (failure) {
      toast({ text: `${c.key} is not ordered: ${/** @type {Error} */ (failure).message}`, kind: "bad" });
    }
    setBusy(false);
    onChange();
  };
  const may = (/** @type {"operate"|"admin"} */ role) => identity.value && !refusal(role, c.id);
  return html`${c.acme && may("operate") && html`<${Button} busy=${busy || c.acme.state === "ordering"} onClick=${renew} ...${atOnce()}>Renew now</${Button}>`}
    ${may("admin") && html`<${Button} label=${`${c.acme ? "Change" : "Replace"} ${c.key}`} onClick=${() => query({ new: "1", replace: c.key })} ...${atOnce()}>${c.acme ? "Change" : "Replace"}</${Button}>`}
    ${may("admin") && html`<${Button} kind="quiet" icon="trash" label=${`Delete ${c.key}`} onClick=${onRemove} ...${atOnce()} />`}`;
}

/** @param {{certificate: Certificate, onClose: () => void}} props */
function Remove({ certificate: c, onClose }) {
  const [etag, setETag] = useState(""); // of the certificate that the question is about
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState(/** @type {any} */ (null));
  useEffect(() => void call("GET", address(c.id)).then((r) => setETag(r.etag), setError), [c.id]);
  const run = async () => {
    setBusy(true);
    setError(null);
    try {
      const { data } = await call("DELETE", address(c.id), { headers: { "If-Match": etag } });
      toast(data.applied ? { kind: "good", text: `${c.key} is deleted.` } : { kind: "bad", text: `${c.key} is deleted, but that is not in effect yet: ${data.reason}` });
      onClose();
    } catch (failure) {
      setError(failure);
      setBusy(false);
    }
  };
  return html`<${Dialog} title=${`Delete ${c.key}?`} busy=${busy} onClose=${onClose}>
    <div class="body"><p>${c.kind === "authority" ? "The authorities are" : "The certificate is"} no longer stored under this name. A certificate that a frontend or backend uses cannot be deleted.</p>
      ${c.acme && html`<p>It will no longer be ordered or renewed.</p>`}
      ${c.kind !== "authority" && html`<p class="muted">Its key stays stored as long as a revision refers to it.</p>`}
      <${Problem} error=${error} />
      ${error?.by?.length > 0 && html`<ul class="links">${error.by.map((/** @type {string} */ by) => html`<li key=${by}><a href=${pathOf(by)}>${by}</a></li>`)}</ul>`}</div>
    <footer><${Button} disabled=${busy} onClick=${onClose}>Cancel</${Button}><${Button} kind="danger" role="admin" on=${c.id} busy=${busy} disabled=${!etag} onClick=${run}>Delete</${Button}></footer></${Dialog}>`;
}
