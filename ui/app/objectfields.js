// The form fields of a backend and of a frontend, with explanations.

import { Field, More, Repeated } from "./fields.js";
import { hashes, operations, operationWords } from "./draft.js";
import { html } from "./html.js";
import { describe } from "./split.js";

/** @typedef {{draft: any, isNew: boolean, errors: import("./types.js").FieldError[], onChange: (part: any) => void,
 *   services: import("./types.js").Service[], backends: string[], catalog: string[]}} FieldsProps */

const balances = ["roundrobin", "leastconn", "source", "random", "uri", "first", "static-rr", "hdr(Host)", "url_param id"];

/** @param {FieldsProps} props */
export function BackendFields({ draft: d, isNew, errors, onChange, services, catalog }) {
  const field = (/** @type {string} */ path, /** @type {string} */ name, /** @type {any} */ rest) =>
    html`<${Field} path=${path} value=${d[name]} errors=${errors} onChange=${(/** @type {string} */ v) => onChange({ [name]: v })} ...${rest} />`;
  const service = services.find((s) => s.service === d.name);
  const versions = (service?.versions ?? []).map((v) => v.version);
  return html`
    ${isNew && field("key", "key", { label: "Name", required: true, placeholder: "live", hint: "Frontends refer to the backend by this name. Letters, digits and _ . : -" })}
    ${field("type", "type", { label: "Members from", options: [["dynamic", "Consul: healthy instances of a service"], ["static", "Static: a list of addresses"]] })}
    ${d.type === "dynamic" ? html`<div class="pair">
      ${field("name", "name", { label: "Consul service", required: true, list: [...new Set([...services.map((s) => s.service), ...catalog])].sort(), placeholder: "shop" })}
      ${d.versions ? html`<div class="field"><span class="label">Versions</span><p>${describe(d)}</p>
          <p class="hint">Traffic is divided. Use the version button to change the shares. <button type="button" class="button link" onClick=${() => onChange({ versions: undefined, version: Object.keys(d.versions)[0] })}>Use one version</button></p></div>`
        : field("version", "version", { label: "Version", required: true, list: versions, placeholder: "1.0.0", hint: "The version in an instance's service meta, or one of its tags." })}</div>`
      : html`<${Repeated} title="Members" add="Add a member" items=${d.members} fresh=${() => ({ host: "", port: "" })} name=${(/** @type {number} */ i) => `member ${i + 1}`}
          onChange=${(/** @type {any[]} */ members) => onChange({ members })}>
          ${(/** @type {any} */ m, /** @type {any} */ set, /** @type {number} */ i) => html`
            <${Field} compact path=${`members[${i}].host`} label="Host" value=${m.host} errors=${errors} placeholder="10.10.10.10" onChange=${(/** @type {string} */ host) => set({ host })} />
            <${Field} compact number path=${`members[${i}].port`} label="Port" value=${m.port} errors=${errors} placeholder="8080" onChange=${(/** @type {string} */ port) => set({ port })} />`}
        </${Repeated}>`}
    <div class="pair">
      ${field("mode", "mode", { label: "Mode", options: [["http", "http: HAProxy processes HTTP requests"], ["tcp", "tcp: HAProxy forwards connections"]] })}
      ${field("balance", "balance", { label: "Balance", list: balances, hint: html`Which member gets the next request. <b>roundrobin</b>: in turn. <b>leastconn</b>: the one with the fewest connections; good for long connections. <b>source</b>: by client address. <b>uri</b>: by path; good for caches.` })}
    </div>
    ${(hashes(d.balance) || d.hashStable === "yes") && field("hashStable", "hashStable", { label: "Same member on every load balancer", options: [["no", "no: the server lines decide"], ["yes", "yes: the addresses decide"]],
      hint: html`With <b>yes</b>, a change of the members may need a reload. The raw line <code>hash-type consistent</code> avoids it from HAProxy 3.0 on.` })}
    ${field("health", "checked", { label: "Health check", options: [["tcp", "TCP: connect to the port every 2 s"], ["http", "HTTP: send a request"]], hint: "A member whose checks fail gets no requests." })}
    ${d.checked === "http" && html`<div class="pair">
      ${field("health.method", "method", { label: "Method", list: ["GET", "HEAD", "OPTIONS"] })}
      ${field("health.uri", "uri", { label: "Path", placeholder: "/healthz", hint: "A response with status 2xx or 3xx is healthy." })}
      ${field("health.httpVersion", "httpVersion", { label: "HTTP version", options: [["HTTP/1.0", "HTTP/1.0"], ["HTTP/1.1", "HTTP/1.1, needs a Host header"]] })}
      ${field("health.interval", "interval", { label: "Interval in ms", number: true })}</div>`}
    <${More} title="Connections to members" open=${Boolean(d.sendProxy || d.tlsVerify || d.protocol !== "h1" || errors.some((e) => /^(protocol|sendProxy|tls)/.test(e.path)))}>
      <div class="pair">
      ${d.mode === "http" && field("protocol", "protocol", { label: "HTTP to members", options: [["h1", "HTTP/1.1"], ["h2", "HTTP/2, e.g. for gRPC"]] })}
      ${field("sendProxy", "sendProxy", { label: "PROXY protocol", options: [["", "not sent"], ["v1", "v1: text"], ["v2", "v2: binary"], ["v2-ssl", "v2 with the client's TLS"], ["v2-ssl-cn", "v2 with the client's TLS and certificate"]],
        hint: "Tells members the client's address at the beginning of each connection. Members must expect it." })}
      ${field("tls.verify", "tlsVerify", { label: "TLS, verified by", placeholder: "no TLS", hint: html`Name of a stored authority, or <b>system</b>: those of the load balancer. <b>none</b>: members are not verified.` })}
      ${d.tlsVerify.trim() && html`
        ${field("tls.serverName", "tlsName", { label: "Name in their certificates", placeholder: "shop.internal" })}
        ${field("tls.sni", "tlsSNI", { label: "Server name (SNI)", options: [["serverName", "that name"], ["host", "the Host header of each request"], ["none", "none"]] })}
        ${field("tls.certificate", "tlsCertificate", { label: "Certificate shown to members", placeholder: "none", hint: "Name of a stored certificate, for members that demand one." })}
        ${field("tls.minVersion", "tlsVersion", { label: "Minimum version of TLS", options: [["1.2", "TLS 1.2"], ["1.3", "TLS 1.3"]] })}
        ${field("tls.alpn", "tlsALPN", { label: "Protocols (ALPN)", placeholder: "none", hint: "Separated by commas, e.g. h2, http/1.1." })}
        ${d.type === "dynamic" && field("tls.fromMeta", "tlsFromMeta", { label: "What instances may say", options: [["", "nothing"], ["serverName", "their server name"], ["off", "that they speak no TLS"], ["off, serverName", "both"]],
          hint: html`In their Consul meta: <code>tls-server-name</code>, <code>tls=off</code>. Whoever may register instances decides then.` })}`}</div>
    </${More}>
    <${More} title="Host header and raw lines" open=${Boolean(d.host || d.natives || errors.some((e) => /^(host|natives)/.test(e.path)))}>
      ${field("host", "host", { label: "Host header", placeholder: "unchanged", hint: "Replaces the client's Host header in requests to members." })}
      ${field("natives", "natives", { label: "Raw lines for haproxy.cfg", lines: 4, code: true, hint: "One directive per line, in HAProxy's syntax. HAProxy checks them before they take effect." })}
    </${More}>`;
}

/** @param {FieldsProps} props */
export function FrontendFields({ draft: d, isNew, errors, onChange, backends }) {
  const field = (/** @type {string} */ path, /** @type {string} */ name, /** @type {any} */ rest) =>
    html`<${Field} path=${path} value=${d[name]} errors=${errors} onChange=${(/** @type {string} */ v) => onChange({ [name]: v })} ...${rest} />`;
  const choices = (/** @type {string} */ none, /** @type {string} */ value) => /** @type {[string, string][]} */ ([["", none], ...[...new Set([...backends, ...(value ? [value] : [])])].map((b) => [b, b])]);
  return html`
    ${isNew && field("key", "key", { label: "Name", required: true, placeholder: "web", hint: "Letters, digits and _ . : -" })}
    ${field("bind", "bind", { label: "Bind", required: !d.tlsBind, placeholder: "*:80", hint: "Where HAProxy listens: host:port, several separated by commas. * is every address; write IPv6 addresses in brackets." })}
    <div class="pair">
      ${field("backend", "backend", { label: "Default backend", options: choices(d.rules.length ? "none (rules only)" : "choose…", d.backend), hint: "Gets requests that match no rule." })}
      ${field("mode", "mode", { label: "Mode", options: [["http", "http: HAProxy processes HTTP requests"], ["tcp", "tcp: HAProxy forwards connections"]] })}
    </div>
    ${d.mode === "http" && html`<${Repeated} ordered title="Rules" hint="Checked from top to bottom; the first match decides. A value can contain several patterns, separated by spaces." add="Add a rule"
      items=${d.rules} fresh=${() => ({ type: "path", operation: "path_beg", value: "", backend: backends[0] ?? "" })} name=${(/** @type {number} */ i) => `rule ${i + 1}`} onChange=${(/** @type {any[]} */ rules) => onChange({ rules })}>
      ${(/** @type {any} */ r, /** @type {any} */ set, /** @type {number} */ i) => html`
        <${Field} compact path=${`rules[${i}].type`} label="Match on" value=${r.type} errors=${errors} options=${[["path", "path"], ["url", "URL"], ["header", "header"]]}
          onChange=${(/** @type {string} */ type) => set({ type, operation: operations[type][type === "header" ? 0 : 1], header: type === "header" ? "host" : undefined })} />
        ${r.type === "header" && html`<${Field} compact path=${`rules[${i}].header`} label="Header" value=${r.header ?? ""} errors=${errors} onChange=${(/** @type {string} */ header) => set({ header })} />`}
        <${Field} compact path=${`rules[${i}].operation`} label="Condition" value=${r.operation} errors=${errors} options=${operations[r.type].map((o) => [o, operationWords(o)])} onChange=${(/** @type {string} */ operation) => set({ operation })} />
        <${Field} compact path=${`rules[${i}].value`} label="Value" value=${r.value} errors=${errors} placeholder="/api" onChange=${(/** @type {string} */ value) => set({ value })} />
        <${Field} compact path=${`rules[${i}].backend`} label="Backend" value=${r.backend} errors=${errors} options=${choices("choose…", r.backend)} onChange=${(/** @type {string} */ backend) => set({ backend })} />`}
    </${Repeated}>`}
    <${More} title="TLS" open=${Boolean(d.tlsBind || d.tlsCertificates || errors.some((e) => /^tls/.test(e.path)))}>
      ${field("tls.bind", "tlsBind", { label: "Bind with TLS", placeholder: "*:443", hint: "Where HAProxy listens for TLS: host:port, several separated by commas." })}
      ${field("tls.certificates", "tlsCertificates", { label: "Certificates", placeholder: "shop, api", hint: "Names of stored certificates, separated by commas. Clients get the one that their server name asks for, otherwise the first. Other fields of TLS stay as they are." })}
    </${More}>
    <${More} title="Keep-alive, registration and raw lines" open=${Boolean(d.natives || d.register || d.acceptProxy || d.keepalive !== "default" || errors.some((e) => /^(natives|register|keepalive|acceptProxy)/.test(e.path)))}>
      ${d.mode === "http" && field("keepalive", "keepalive", { label: "Keep-alive", options: [["default", "default: keep connections open on both sides"], ["server-close", "server-close: close connections to members after each response"], ["close", "close: close both sides after each response"]] })}
      ${field("acceptProxy", "acceptProxy", { label: "PROXY protocol from", placeholder: "10.0.0.7, 10.1.0.0/16", hint: "Addresses and networks of other load balancers, separated by commas. Their connections must begin with a header of the PROXY protocol, which says the client's address." })}
      ${field("register.name", "register", { label: "Register in Consul as", placeholder: "not registered", hint: "Registers this frontend in Consul as a service of this name." })}
      ${field("natives", "natives", { label: "Raw lines for haproxy.cfg", lines: 4, code: true, hint: "One directive per line, in HAProxy's syntax. HAProxy checks them before they take effect." })}
    </${More}>`;
}
