import { useEffect, useState } from "preact/hooks";
import { limitsOf } from "./grant.js";
import { html } from "./html.js";
import { now } from "./live.js";
import { Badge, Empty, Loading, Problem, Title } from "./parts.js";
import { get } from "./rest.js";

/** @typedef {{kind: string, name: string, role: string, on?: string[], see?: boolean, file: string, expires?: string, login?: boolean, subject?: string}} Entry */

const kinds = /** @type {Record<string, string>} */ ({ user: "user", token: "token", certificate: "certificate", oidc: "group of the identity provider", pam: "group of the system" });

/** Who has which rights, for admins. The files say so; the page changes nothing. */
export function AccessPage() {
  const [entries, setEntries] = useState(/** @type {Entry[]|null} */ (null));
  const [error, setError] = useState(/** @type {any} */ (null));
  useEffect(() => void get("/access").then(setEntries, setError), []);
  return html`<div class="head"><${Title}>Access</${Title}></div>
    <p class="muted">From the token file and the access file of the agent. <code>thalassa user</code> and <code>thalassa token</code> change the latter.</p>
    <${Problem} error=${error} />
    ${!entries && !error && html`<${Loading} />`}
    ${entries?.length === 0 && html`<${Empty} title="No login is needed">Everybody who can reach the agent may change everything.</${Empty}>`}
    ${entries && entries.length > 0 && html`<section class="panel" aria-label="Grants"><div class="scroll" tabindex="0" role="region" aria-label="Grants"><table>
      <thead><tr><th>Name</th><th>Kind</th><th>Role</th><th>On</th><th>File</th><th>Details</th></tr></thead>
      <tbody>${entries.map((e, i) => html`<tr key=${i}>
        <td>${e.name}</td><td>${kinds[e.kind] ?? e.kind}</td><td>${e.role}</td><td>${e.on ? html`<code>${limitsOf(e)}</code>` : limitsOf(e)}</td><td>${e.file}</td>
        <td><${Details} entry=${e} /></td></tr>`)}</tbody></table></div></section>`}`;
}

/** @param {{entry: Entry}} props */
function Details({ entry: e }) {
  if (e.kind === "pam") return html`service <code>${e.subject}</code> of PAM`;
  if (e.subject) return html`<code>${e.subject}</code>`;
  if (e.kind === "user") return e.login ? "password" : "no password";
  if (!e.expires) return e.kind === "token" ? "never expires" : "";
  const ends = Date.parse(e.expires);
  return ends < now.value ? html`<${Badge} kind="bad">expired</${Badge}>` : `expires ${new Date(ends).toLocaleString()}`;
}
