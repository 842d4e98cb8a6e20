import { useEffect, useState } from "preact/hooks";
import * as format from "./format.js";
import { limitsOf } from "./grant.js";
import { html } from "./html.js";
import { now } from "./live.js";
import { Badge, Button, Empty, Problem, Title, toast } from "./parts.js";
import { call, get } from "./rest.js";
import { identity, logout } from "./session.js";

const meaning = /** @type {Record<string, string>} */ ({
  read: "read everything",
  deploy: "read everything, and switch versions",
  operate: "read everything, switch versions, and act on the cluster",
  admin: "change everything",
});

const means = /** @type {Record<string, string>} */ ({ token: "a token", password: "a password", certificate: "a certificate", oidc: "the identity provider", pam: "the password of the system" });

/** Says if the end of a session does not count on all nodes of the cluster yet.
 * @param {{nodes?: string}} ended */
function tellReach(ended) {
  if (ended.nodes === "this") toast({ text: "The session has ended on this node. The other nodes cannot be told now.", kind: "bad" });
  if (ended.nodes === "some") toast({ text: "The session has ended. Not all nodes of the cluster have read it yet.", kind: "bad" });
}

/** Logs the user out. */
export async function leave() {
  tellReach(await logout());
}

/** Who is logged in, what they may do, and their sessions; for an admin those of all. */
export function Account() {
  const who = identity.value;
  const [sessions, setSessions] = useState(/** @type {any[]|null} */ (null));
  const [error, setError] = useState(/** @type {any} */ (null));
  const load = () => get("/sessions").then(setSessions, setError);
  useEffect(() => void load(), []);
  const end = async (/** @type {any} */ s) => {
    if (s.own) return leave();
    try {
      tellReach((await call("DELETE", "/sessions/" + encodeURIComponent(s.id))).data);
      toast({ text: `The session of ${s.name} has ended.`, kind: "good" });
    } catch (failure) {
      setError(failure);
    }
    return load();
  };
  const time = now.value;
  const isShared = sessions?.some((s) => s.node);
  return html`<div class="head"><${Title}>Account</${Title}></div>
    ${who && html`<p><b>${who.name}</b> has the role <${Badge}>${who.role}</${Badge}> and may ${meaning[who.role] ?? "do nothing"}${who.on ? html`, on <code>${limitsOf(who)}</code>` : ""}.
      ${who.how && html` Logged in with ${means[who.how] ?? who.how}.`}</p>`}
    <section class="panel" aria-label="Sessions"><h2>${who?.role === "admin" && !who.on ? "Sessions of all users" : "Your sessions"}</h2>
    <${Problem} error=${error} />
    ${sessions?.length === 0 && html`<${Empty} title="There are no sessions.">Requests with a token in a header need no session.</${Empty}>`}
    ${sessions && sessions.length > 0 && html`<div class="scroll" tabindex="0" role="region" aria-label="Sessions"><table>
      <thead><tr><th>Name</th><th>Role</th><th>Begun</th><th>From</th>${isShared && html`<th>Node</th>`}<th>With</th><th>Last used</th><th>Ends</th><th><span class="sr">Action</span></th></tr></thead>
      <tbody>${sessions.map((s) => html`<tr key=${s.id}>
        <td>${s.name} ${s.subject && html`<small title="What the identity provider calls the user, which never changes">${s.subject}</small> `}${s.own && html`<${Badge} kind="good">this one</${Badge}>`}</td>
        <td title=${limitsOf(s)}>${s.role}${s.on ? " (limited)" : ""}</td>
        <td>${format.age(Date.parse(s.begun), time)}</td>
        <td>${s.from ?? "–"}</td>
        ${isShared && html`<td>${s.node ?? "–"}</td>`}
        <td>${s.kind}</td>
        <td>${format.age(Date.parse(s.used), time)}</td>
        <td>${new Date(s.expires).toLocaleString()}</td>
        <td><${Button} label=${`End the session of ${s.name}`} onClick=${() => end(s)}>${s.own ? "Log out" : "End"}</${Button}></td>
      </tr>`)}</tbody></table></div>`}
    </section>`;
}
