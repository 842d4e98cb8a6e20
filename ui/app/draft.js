// The contents of a form, made from an object and made into a body for the API. Pure.

/** @typedef {import("./types.js").Backend} Backend
 *  @typedef {import("./types.js").Frontend} Frontend */

/** @typedef {{key: string, type: string, name: string, version: string, versions?: Record<string, number>, balance: string, hashStable: string, protocol: string, sendProxy: string, mode: string, host: string,
 *   tlsVerify: string, tlsName: string, tlsSNI: string, tlsALPN: string, tlsVersion: string, tlsCertificate: string, tlsFromMeta: string,
 *   checked: string, method: string, uri: string, httpVersion: string, interval: string, natives: string, members: {host: string, port: string}[]}} BackendDraft
 * @typedef {{key: string, bind: string, backend: string, mode: string, keepalive: string, rules: import("./types.js").Rule[], natives: string, register: string, acceptProxy: string,
 *   tlsBind: string, tlsCertificates: string, tls?: import("./types.js").FrontendTLS, defaults?: string}} FrontendDraft */

/** @param {Backend} [b]
 * @returns {BackendDraft} */
export function backendDraft(b) {
  return {
    key: b?.key ?? "", type: b?.type ?? "dynamic", name: b?.name ?? "", version: b?.version ?? "", versions: b?.versions,
    balance: b?.balance ?? "roundrobin", hashStable: b?.hashStable ? "yes" : "no", protocol: b?.protocol || "h1", sendProxy: b?.sendProxy ?? "",
    tlsVerify: b?.tls?.verify ?? "", tlsName: b?.tls?.serverName ?? "", tlsSNI: b?.tls?.sni ?? "serverName", tlsALPN: (b?.tls?.alpn ?? []).join(", "),
    tlsVersion: b?.tls?.minVersion ?? "1.2", tlsCertificate: b?.tls?.certificate ?? "", tlsFromMeta: (b?.tls?.fromMeta ?? []).join(", "), mode: b?.mode ?? "http", host: b?.host ?? "",
    checked: b?.health ? "http" : "tcp", method: b?.health?.method ?? "GET", uri: b?.health?.uri ?? "/",
    httpVersion: b?.health?.httpVersion ?? "HTTP/1.0", interval: String(b?.health?.interval ?? 2000),
    natives: (b?.natives ?? []).join("\n"),
    members: b?.type === "static" ? (b.members ?? []).map((m) => ({ host: m.host, port: String(m.port) })) : [{ host: "", port: "" }],
  };
}

/** The body of a PUT. An invalid number is sent unchanged, so that the API reports
 * the error.
 * @param {BackendDraft} d */
export function backendBody(d) {
  const dynamic = d.type === "dynamic";
  return {
    type: d.type, mode: d.mode, balance: d.balance, natives: lines(d.natives),
    ...(dynamic ? { name: d.name, ...(d.versions ? { versions: d.versions } : { version: d.version }) }
      : { members: d.members.filter((m) => m.host || m.port).map((m) => ({ host: m.host.trim(), port: integer(m.port) })) }),
    ...(d.hashStable === "yes" ? { hashStable: true } : {}),
    ...(d.mode === "http" && d.protocol !== "h1" ? { protocol: d.protocol } : {}),
    ...(d.sendProxy ? { sendProxy: d.sendProxy } : {}),
    ...(d.tlsVerify.trim() ? { tls: {
      verify: d.tlsVerify.trim(), sni: d.tlsSNI, minVersion: d.tlsVersion, ...(d.tlsName ? { serverName: d.tlsName.trim() } : {}),
      ...(words(d.tlsALPN).length ? { alpn: words(d.tlsALPN) } : {}), ...(d.tlsCertificate ? { certificate: d.tlsCertificate.trim() } : {}),
      ...(dynamic && words(d.tlsFromMeta).length ? { fromMeta: words(d.tlsFromMeta) } : {}),
    } } : {}),
    ...(d.host ? { host: d.host } : {}),
    ...(d.checked === "http" ? { health: { method: d.method, uri: d.uri, httpVersion: d.httpVersion, interval: integer(d.interval) } } : {}),
  };
}

/** @param {Frontend} [f]
 * @returns {FrontendDraft} */
export function frontendDraft(f) {
  return {
    key: f?.key ?? "", bind: f?.bind ?? "", backend: f?.backend ?? "", mode: f?.mode ?? "http", keepalive: f?.keepalive ?? "default",
    rules: (f?.rules ?? []).map((r) => ({ ...r })), natives: (f?.natives ?? []).join("\n"), register: f?.register?.name ?? "", acceptProxy: (f?.acceptProxy ?? []).join(", "),
    tlsBind: f?.tls?.bind ?? "", tlsCertificates: (f?.tls?.certificates ?? []).join(", "), tls: f?.tls, defaults: f?.defaults,
  };
}

/** @param {FrontendDraft} d */
export function frontendBody(d) {
  return {
    bind: d.bind, mode: d.mode, keepalive: d.keepalive, natives: lines(d.natives),
    rules: d.mode === "tcp" ? [] : d.rules.map((r) => ({ type: r.type, operation: r.operation, value: r.value, backend: r.backend, ...(r.type === "header" ? { header: r.header ?? "" } : {}) })),
    ...(d.backend ? { backend: d.backend } : {}),
    ...(d.register ? { register: { name: d.register } } : {}),
    ...(words(d.acceptProxy).length ? { acceptProxy: words(d.acceptProxy) } : {}),
    ...(d.tlsBind.trim() || d.tlsCertificates.trim() ? { tls: tlsBody(d) } : {}),
    ...(d.defaults ? { defaults: d.defaults } : {}),
  };
}

/** TLS with what the form does not show. A default that is no longer among the certificates
 * is left to the API.
 * @param {FrontendDraft} d */
function tlsBody(d) {
  const { default: first, ...kept } = d.tls ?? {};
  const certificates = words(d.tlsCertificates);
  return { ...kept, ...(first && certificates.includes(first) ? { default: first } : {}), bind: d.tlsBind, certificates };
}

/** Whether a balance algorithm hashes.
 * @param {string} balance */
export function hashes(balance) {
  return /^(source|uri|url_param|hdr|rdp-cookie|hash)\b/.test(balance.trim());
}

/** @param {string} text */
function lines(text) {
  return text.split("\n").map((l) => l.trim()).filter(Boolean);
}

/** @param {string} text separated by commas or blanks */
function words(text) {
  return text.split(/[\s,]+/).filter(Boolean);
}

/** @param {string} text
 * @returns {number|string} */
function integer(text) {
  return /^\s*\d+\s*$/.test(text) ? Number(text) : text;
}

/** The fields that differ between two bodies, with both values as text.
 * @param {Record<string, any>} before
 * @param {Record<string, any>} after
 * @returns {{field: string, before: string, after: string}[]} */
export function changes(before, after) {
  const words = (/** @type {any} */ v) => (v === undefined ? "not set" : typeof v === "string" ? v : JSON.stringify(v));
  return [...new Set([...Object.keys(before), ...Object.keys(after)])].sort()
    .filter((field) => JSON.stringify(before[field]) !== JSON.stringify(after[field]))
    .map((field) => ({ field, before: words(before[field]), after: words(after[field]) }));
}

/** The operations of a rule by its type.
 * @type {Record<string, string[]>} */
export const operations = {
  path: ["path", "path_beg", "path_end", "path_sub", "path_dir", "path_dom", "path_reg"],
  url: ["url", "url_beg", "url_end", "url_sub", "url_dir", "url_dom", "url_reg"],
  header: ["hdr", "hdr_beg", "hdr_end", "hdr_sub", "hdr_dom", "hdr_reg"],
};

/** What an operation does, by its ending.
 * @param {string} operation */
export function operationWords(operation) {
  /** @type {Record<string, string>} */
  const words = { beg: "begins with", end: "ends with", sub: "contains", dir: "contains directory", dom: "contains domain", reg: "matches regular expression" };
  return words[operation.split("_")[1] ?? ""] ?? "equals";
}

/** @typedef {import("./types.js").FieldError} FieldError */

/** The required fields of a form that are empty, all at once.
 * @param {"backend"|"frontend"} kind
 * @param {any} d
 * @param {boolean} isNew
 * @returns {FieldError[]} */
export function missing(kind, d, isNew) {
  /** @type {FieldError[]} */
  const out = [];
  const need = (/** @type {string} */ path, /** @type {string|undefined} */ value, /** @type {string} */ expected) => {
    if (!value?.trim()) out.push({ path, problem: "is missing", expected });
  };
  if (isNew) need("key", d.key, "letters, digits and _ . : -");
  if (kind === "frontend") {
    if (!d.tlsBind.trim()) need("bind", d.bind, "an address to listen at, e.g. *:80");
    if (d.mode !== "tcp") {
      d.rules.forEach((/** @type {any} */ r, /** @type {number} */ i) => {
        if (r.type === "header") need(`rules[${i}].header`, r.header, "the name of a header");
        need(`rules[${i}].value`, r.value, "what to compare with");
        need(`rules[${i}].backend`, r.backend, "a backend");
      });
    }
  } else if (d.type === "dynamic") {
    need("name", d.name, "a service in Consul");
    if (!d.versions) need("version", d.version, "a version of that service");
  } else {
    d.members.forEach((/** @type {any} */ m, /** @type {number} */ i) => {
      if (!m.host && !m.port) return; // an empty line is no member
      need(`members[${i}].host`, m.host, "an address");
      need(`members[${i}].port`, m.port, "1 to 65535");
    });
  }
  if (kind === "backend" && d.checked === "http") need("health.uri", d.uri, "a path, e.g. /healthz");
  return out;
}

/** Errors that no field of the form shows, because there is none for them.
 * @param {"backend"|"frontend"} kind
 * @param {FieldError[]} errors */
export function unshown(kind, errors) {
  const fields = { backend: /^(key|type|name|version|mode|balance|hashStable|protocol|sendProxy|tls\.(verify|serverName|sni|alpn.*|minVersion|certificate|fromMeta.*)|host|natives.*|health\.(method|uri|httpVersion|interval)|members\[\d+\]\.(host|port))$/,
    frontend: /^(key|bind|backend|mode|keepalive|natives.*|acceptProxy.*|tls\.(bind|certificates.*)|register\.name|rules\[\d+\]\.(type|header|operation|value|backend))$/ };
  return errors.filter((e) => !fields[kind].test(e.path));
}
