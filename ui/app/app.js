// The frame around all pages.

import { useEffect, useState } from "preact/hooks";
import { AccessPage } from "./access.js";
import { Account, leave } from "./account.js";
import { Activity } from "./activity.js";
import { APIPage } from "./apipage.js";
import { AuditPage } from "./audit.js";
import { CertificatesPage } from "./certificates.js";
import { ClusterPage } from "./cluster.js";
import { ClustersPage, OtherPage } from "./clusters.js";
import { NodePage, ResourcePage } from "./clusterdetail.js";
import { JobsPage } from "./clusterjobs.js";
import { ObjectsPage } from "./clusterobjects.js";
import { ConfigPage } from "./config.js";
import { Detail } from "./detail.js";
import { DraftBar } from "./draftbar.js";
import { DraftPage, Drafts } from "./drafts.js";
import * as format from "./format.js";
import { classes, html } from "./html.js";
import { Icon, Mark } from "./icons.js";
import { connection, hello, isConsole, list, now, object, retry, stale } from "./live.js";
import { Login } from "./login.js";
import { Overview } from "./overview.js";
import { Button, Empty, Title, Toasts } from "./parts.js";
import { HistoryPage } from "./past.js";
import { go, route } from "./router.js";
import { identity, seesNode, seesSome } from "./session.js";
import { SimulatorPage } from "./simulator.js";

const pages = [
  { page: "overview", title: "Overview" },
  { page: "activity", title: "Activity" },
  { page: "config", title: "Config" },
  { page: "certificates", title: "Certificates" },
  { page: "drafts", title: "Drafts" },
  { page: "cluster", title: "Cluster" },
  { page: "clusters", title: "Clusters" },
  { page: "access", title: "Access" },
  { page: "audit", title: "Audit" },
  { page: "openapi", title: "API" },
];

/** What an agent has that only shows other clusters. */
const ofConsole = ["clusters", "other", "activity", "account", "access", "audit", "openapi", "login"];

/** Whether a page has something for the user.
 * @param {string} page */
function isOffered(page) {
  if (isConsole() && !ofConsole.includes(page)) return false;
  switch (page) {
    case "clusters":
      return isConsole() || (list("clusters").value ?? []).length > 0;
    case "config":
      return seesNode();
    case "certificates":
      return seesSome("certificate/");
    case "cluster":
      return Boolean(object("cluster").value);
    case "access":
    case "audit":
      return Boolean(identity.value?.authentication) && seesNode("admin");
  }
  return true;
}

export function App() {
  const at = route.value;
  const label = object("status").value?.label ?? hello.value?.label;
  useEffect(() => {
    const name = at.key ?? pages.find((p) => p.page === at.page)?.title ?? ({ login: "Log in", account: "Account", simulator: "Simulator", history: "History", objects: "Configuration", jobs: "Jobs" }[at.page] ?? "Not found");
    document.title = [name, label, "Thalassa"].filter(Boolean).join(" · ");
  });
  if (at.page === "login") return html`<${Login} /><${Toasts} />`;
  const parents = /** @type {Record<string, string>} */ ({ detail: "overview", draft: "drafts", simulator: "cluster", history: "cluster", resource: "cluster", objects: "cluster", jobs: "cluster", node: "cluster", other: "clusters" });
  const lost = connection.value.state === "lost";
  return html`
    <a class="skip" href="#main" data-plain>Skip to content</a>
    <${Bar} label=${label} page=${parents[at.page] ?? at.page} />
    <${DraftBar} />
    <${Lost} />
    <main id="main" class=${classes("page", lost && "lost")} tabindex="-1"><${Page} /></main>
    <${Toasts} />`;
}

function Page() {
  const at = route.value;
  if (isConsole() && !ofConsole.includes(at.page)) return html`<${NotHere} page=${at.page} />`;
  switch (at.page) {
    case "overview":
      return html`<${Overview} />`;
    case "detail":
      return html`<${Detail} key=${at.kind + "/" + at.key} kind=${at.kind} name=${at.key} />`;
    case "activity":
      return html`<${Activity} />`;
    case "config":
      return html`<${ConfigPage} />`;
    case "certificates":
      return html`<${CertificatesPage} />`;
    case "drafts":
      return html`<${Drafts} />`;
    case "draft":
      return html`<${DraftPage} key=${at.key} id=${at.key} />`;
    case "cluster":
      return html`<${ClusterPage} />`;
    case "clusters":
      return html`<${ClustersPage} />`;
    case "other":
      return html`<${OtherPage} key=${at.key} name=${at.key} part=${at.part} id=${at.id} />`;
    case "objects":
      return html`<${ObjectsPage} />`;
    case "jobs":
      return html`<${JobsPage} />`;
    case "resource":
      return html`<${ResourcePage} key=${at.key} id=${at.key} />`;
    case "node":
      return html`<${NodePage} key=${at.key} name=${at.key} />`;
    case "history":
      return html`<${HistoryPage} />`;
    case "simulator":
      return html`<${SimulatorPage} />`;
    case "account":
      return html`<${Account} />`;
    case "access":
      return html`<${AccessPage} />`;
    case "audit":
      return html`<${AuditPage} />`;
    case "openapi":
      return html`<${APIPage} />`;
  }
  return html`<${Title}>Page not found</${Title}><${Empty} title="There is no page at this address."><a href="/overview">Go to the overview</a></${Empty}>`;
}

/** In place of a page that a console does not have.
 * @param {{page: string}} props */
function NotHere({ page }) {
  useEffect(() => {
    if (page === "overview") go("/clusters", { replace: true }); // the first page of other agents
  });
  return html`<${Title}>Not on this agent</${Title}><${Empty} title="This agent is a console: it only shows clusters.">It has no HAProxy, no Consul and no cluster of its own. <a href="/clusters">Go to the clusters</a></${Empty}>`;
}

/** @param {{label?: string, page: string}} props */
function Bar({ label, page }) {
  return html`<header class="bar">
    <a class="brand" href=${isConsole() ? "/clusters" : "/overview"}><${Mark} /><span>Thalassa</span></a>
    ${label && html`<span class="label" title="Label of this load balancer">${label}</span>`}
    <nav aria-label="Pages">
      ${pages.filter((p) => isOffered(p.page)).map((p) => html`
        <a key=${p.page} href=${"/" + p.page} aria-current=${p.page === page ? "page" : undefined}>${p.title}</a>`)}
    </nav>
    <span class="grow"></span>
    <${Pulse} />
    <${ThemeSwitch} />
    <${Who} />
  </header>`;
}

/** Shows whether the page is connected to the agent. */
function Pulse() {
  const { state } = connection.value;
  const words = { live: "Live", connecting: "Connecting", lost: "Disconnected" }[state] ?? state;
  return html`<span class=${classes("pulse", state)} role="status"><i aria-hidden="true"></i>${words}</span>`;
}

/** A banner while the page has no connection, or comes from another version. */
function Lost() {
  const { state, since, retry: next } = connection.value;
  const time = now.value;
  if (stale.value) {
    return html`<div class="strip info" role="status">The agent was upgraded to another version.
      <${Button} onClick=${() => location.reload()}>Reload the page</${Button}></div>`;
  }
  if (state !== "lost") return null;
  const wait = Math.ceil((next - Date.now()) / 1000);
  return html`<div class="strip bad" role="alert">
    <${Icon} name="warning" /><span><b>No connection to the agent.</b> The values shown are from ${format.age(since, Math.max(time, Date.now()))}.
    ${isConsole() ? "" : "HAProxy keeps running."} ${wait > 0 ? `Next attempt in ${wait} s.` : "Connecting…"}</span>
    <${Button} onClick=${retry}>Try now</${Button}>
  </div>`;
}

const themes = /** @type {const} */ (["system", "light", "dark"]);

function ThemeSwitch() {
  const [theme, setTheme] = useState(() => document.documentElement.dataset.theme ?? "system");
  const next = themes[(themes.indexOf(/** @type {any} */ (theme)) + 1) % themes.length];
  const change = () => {
    setTheme(next);
    if (next === "system") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = next;
    try {
      if (next === "system") localStorage.removeItem("thalassa.theme");
      else localStorage.setItem("thalassa.theme", next);
    } catch {
      // Storage is forbidden: the choice lasts until the page is reloaded.
    }
    document.dispatchEvent(new Event("themechange"));
  };
  const icon = { system: "screen", light: "sun", dark: "moon" }[theme];
  return html`<${Button} kind="quiet" icon=${icon} label=${`Colors: ${theme}. Change to ${next}`} onClick=${change} />`;
}

function Who() {
  const who = identity.value;
  if (!who?.authentication) return null;
  return html`<span class="who"><a href="/account" title=${`Role: ${who.role}. Account and sessions`}>${who.name} <small>${who.role}</small></a>
    <${Button} kind="quiet" icon="out" label="Log out" onClick=${leave} /></span>`;
}
