// Notices of problems: HAProxy down, a revision not in effect, services held or
// stale.

import { useState } from "preact/hooks";
import { atOnce } from "./editing.js";
import * as format from "./format.js";
import { classes, html } from "./html.js";
import { Icon } from "./icons.js";
import { list, now, object } from "./live.js";
import { Button, Dialog, Problem, sentence, toast } from "./parts.js";
import { call } from "./rest.js";
import { pathOf } from "./router.js";
import { refusal } from "./session.js";

export function Notices() {
  const status = object("status").value;
  const services = (list("services").value ?? []).map((id) => object(id).value).filter(Boolean);
  const held = services.filter((s) => s.hold);
  const stale = services.filter((s) => s.stale && !s.hold && s.known);
  const unusable = services.filter((s) => s.unusable?.length);
  const unknown = services.filter((s) => !s.known);
  return html`<div class="notices">
    ${status && !status.haproxy.running && !status.haproxy.idle && html`<${Notice} kind="bad" title="HAProxy is not running">This node serves no traffic. If the agent starts HAProxy here, it will try again; otherwise start HAProxy yourself.</${Notice}>`}
    ${status?.problem && html`<${Notice} kind="bad" title="The latest configuration is not in effect">${sentence(status.problem)}</${Notice}>`}
    ${status?.haproxy.lost && html`<${Notice} kind="fair" title="A control socket of HAProxy is lost">${sentence(status.haproxy.lost)}</${Notice}>`}
    ${(status?.empty?.length ?? 0) > 0 && html`<${Unserved} backends=${status?.empty ?? []} />`}
    ${unusable.length > 0 && html`<${Unusable} services=${unusable} />`}
    ${held.map((s) => html`<${Held} key=${s.id} service=${s} />`)}
    ${stale.length > 0 && html`<${Stale} services=${stale} />`}
    ${(status?.warnings?.length ?? 0) > 0 && html`<${Warnings} list=${status?.warnings ?? []} />`}
    ${unknown.length > 0 && html`<${Notice} kind="info" title=${`Consul has not answered yet for ${names(unknown)}`}>
      ${sentence(unknown.find((s) => s.stale)?.stale ?? "backends of these services have no members until then")}</${Notice}>`}
  </div>`;
}

/** @param {import("./types.js").Service[]} services */
function names(services) {
  const list = services.slice(0, 5).map((s) => s.service);
  return list.join(", ") + (services.length > 5 ? ` and ${services.length - 5} more` : "");
}

/** @param {{kind: string, title: string, children?: any, actions?: any}} props */
export function Notice({ kind, title, children, actions }) {
  return html`<section class=${classes("notice", kind)} aria-label=${title}>
    <${Icon} name="warning" /><div class="grow"><p class="title">${title}</p><div>${children}</div></div>${actions}
  </section>`;
}

/** What the agent warns of: of certificates, and of anything else.
 * @param {{list: string[]}} props */
function Warnings({ list }) {
  const most = 5;
  const certificates = list.filter((w) => /certificate/i.test(w));
  const others = list.filter((w) => !certificates.includes(w));
  const group = (/** @type {string} */ title, /** @type {string[]} */ all, /** @type {any} */ more = null) => all.length > 0 && html`<${Notice} kind="fair" title=${title} actions=${more}>
    <ul>${all.slice(0, most).map((w) => html`<li key=${w}>${sentence(w)}</li>`)}
      ${all.length > most && html`<li>${all.length - most} more, which <code>thalassa status</code> lists.</li>`}</ul></${Notice}>`;
  return html`${group(format.count(certificates.length, "warning") + " about certificates", certificates, html`<a href="/certificates">Certificates</a>`)}
    ${group(format.count(others.length, "warning"), others)}`;
}

/** Backends without members. Those that a frontend uses answer with 503.
 * @param {{backends: import("./types.js").Status["empty"] & {}}} props */
function Unserved({ backends }) {
  const most = 5;
  const used = backends.some((b) => b.routedBy.length > 0);
  return html`<${Notice} kind=${used ? "bad" : "fair"} title=${`${format.count(backends.length, "backend")} without members`}>
    <ul>${backends.slice(0, most).map((b) => html`<li key=${b.id}><a href=${pathOf(b.id)}>${b.id}</a>${b.routedBy.length > 0 && html`, used by ${b.routedBy.join(", ")}`}: ${sentence([b.reason, b.detail].filter(Boolean).join("; "))}</li>`)}
      ${backends.length > most && html`<li>${backends.length - most} more.</li>`}</ul>
  </${Notice}>`;
}

/** Registrations that are not valid.
 * @param {{services: import("./types.js").Service[]}} props */
function Unusable({ services }) {
  const all = services.flatMap((s) => (s.unusable ?? []).map((u) => ({ ...u, service: s.service })));
  const most = 5;
  return html`<${Notice} kind="fair" title=${`Registrations in Consul that cannot be used: ${names(services)}`}>
    <ul>${all.slice(0, most).map((u) => html`<li key=${u.service + u.node + u.id}><b>${u.id}</b> on ${u.node} (<code>${u.address}</code>): ${sentence(u.reason)}</li>`)}
      ${all.length > most && html`<li>${all.length - most} more.</li>`}</ul>
  </${Notice}>`;
}

/** Consul does not confirm these services; their members stay in use.
 * @param {{services: import("./types.js").Service[]}} props */
function Stale({ services }) {
  const seen = Math.min(...services.map((s) => Date.parse(s.seen ?? "") || Infinity));
  return html`<${Notice} kind="fair" title=${`Discovery is stale: ${names(services)}`}>
    The last good members stay in use${Number.isFinite(seen) ? `; last confirmed ${format.age(seen, now.value)}` : ""}. ${sentence(services[0].stale ?? "")}
  </${Notice}>`;
}

/** The object that the right to accept a service is about: the service, or all backends that
 * use it.
 * @param {string} service */
function acceptedObject(service) {
  const own = "service/" + service;
  if (!refusal("deploy", own)) return own;
  const users = (list("backends").value ?? []).filter((id) => object(id).peek()?.name === service);
  return users.find((id) => refusal("deploy", id)) ?? users[0] ?? own;
}

/** Many instances disappeared at once, and the agent keeps them in use.
 * @param {{service: import("./types.js").Service}} props */
function Held({ service }) {
  const [asking, setAsking] = useState(false);
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState(/** @type {any} */ (null));
  const { since, until, lost, reason, doubt } = service.hold ?? {};
  const accept = async () => {
    setBusy(true);
    try {
      await call("POST", `/services/${encodeURIComponent(service.service)}/accept`, { body: {} });
      setAsking(false);
      toast({ text: `Consul's list for ${service.service} is accepted.`, kind: "good" });
    } catch (failure) {
      setError(failure);
    } finally {
      setBusy(false);
    }
  };
  const time = (/** @type {any} */ t) => format.clock(t, now.value);
  return html`<${Notice} kind="bad" title=${`Service ${service.service} is held`}
    actions=${html`<${Button} role="deploy" on=${acceptedObject(service.service)} kind="danger" onClick=${() => setAsking(true)} ...${atOnce()}>Accept…</${Button}>`}>
    ${lost ? html`<b>${format.count(lost, "instance")}</b> that Consul no longer lists ${lost === 1 ? "stays" : "stay"} in use` : "Its instances stay in use"}${since ? ` since ${time(since)}` : ""}. ${[reason, doubt].filter(Boolean).map((r) => sentence(r ?? "")).join(" ")} ${until && new Date(until).getTime() > 0 ? `Held until ${time(until)} at the latest.` : "Held until Consul confirms it, or until you accept it."}
    ${asking && html`<${Dialog} title=${`Accept Consul's list for ${service.service}?`} busy=${busy} onClose=${() => setAsking(false)}>
      <div class="body"><p>HAProxy uses the members that Consul lists now. Members that Consul no longer lists get no new requests.</p><${Problem} error=${error} /></div>
      <footer><${Button} onClick=${() => setAsking(false)}>Cancel</${Button}><${Button} kind="danger" role="deploy" on=${acceptedObject(service.service)} busy=${busy} onClick=${accept}>Accept</${Button}></footer>
    </${Dialog}>`}
  </${Notice}>`;
}
