import { useEffect, useState } from "preact/hooks";
import { html } from "./html.js";
import { Mark } from "./icons.js";
import { Button, Problem, Title } from "./parts.js";
import { ownPath } from "./path.js";
import { get } from "./rest.js";
import { go, parse, route } from "./router.js";
import { beginLogin, login } from "./session.js";

const remembered = "thalassa.login";
const requested = "thalassa.next";

/** What this browser has stored under a name; empty: nothing.
 * @param {"localStorage"|"sessionStorage"} storage
 * @param {string} name */
function stored(storage, name) {
  try {
    return window[storage].getItem(name) ?? "";
  } catch {
    return ""; // storage is forbidden
  }
}

/** @param {"localStorage"|"sessionStorage"} storage
 * @param {string} name
 * @param {string} value */
function store(storage, name, value) {
  try {
    window[storage].setItem(name, value);
  } catch {
    // Storage is forbidden: the page works without.
  }
}

/** Opens the page that was requested before the login. It may be one of another application at
 * this address.
 * @param {string} next */
function open(next) {
  const path = ownPath(next, location.origin) || "/overview";
  if (parse(new URL(path, location.href)).page === "missing") location.replace(path);
  else go(path, { replace: true });
}

/** What the identity provider has sent with the browser; null: nothing.
 * @param {URLSearchParams} query */
function answer(query) {
  if (!query.has("state")) return null;
  return Object.fromEntries(["code", "state", "iss", "error", "error_description"].flatMap((name) => {
    const value = query.get(name);
    return value === null ? [] : [[name, value]];
  }));
}

/** What a login for a command line has to be handed; empty: the login is for this browser.
 * @param {URLSearchParams} query */
function forTerminal(query) {
  return query.get("state")?.startsWith("terminal.") ? query.toString() : "";
}

/** The end of a login that `thalassa login --sso` has begun: the text to paste there.
 * @param {{text: string}} props */
function Handover({ text }) {
  return html`<main class="login"><form>
    <${Mark} />
    <${Title}>Log in on the command line</${Title}>
    <p>Paste this text into the terminal in which you have just run <code>thalassa login --sso</code>:</p>
    <textarea id="handover" readonly rows="6" aria-label="Text for the terminal" onFocus=${(/** @type {any} */ e) => e.target.select()}>${text}</textarea>
    <p class="muted">If you have not run it, close this page. Whoever gets the text from you can log in as you.</p>
  </form></main>`;
}

/** The login page: with the identity provider, a name and a password, or a token, as the
 * agent offers. After the login it opens the page that was requested. */
export function Login() {
  const [offer, setOffer] = useState(/** @type {{ways: string[], provider?: string}} */ ({ ways: ["token", "password"] }));
  const [refused, setRefused] = useState(/** @type {any} */ (null)); // the login at the identity provider
  const [handover] = useState(() => forTerminal(route.peek().query));
  const [finishing, setFinishing] = useState(() => route.peek().query.has("state"));
  useEffect(() => void get("/session/ways").then(setOffer, () => {}), []); // the form works without
  useEffect(() => {
    const sent = answer(route.peek().query);
    if (!sent) return;
    history.replaceState(null, "", "/login"); // the code is of no use to anybody who reads the history
    if (handover) return;
    login(sent).then(() => open(stored("sessionStorage", requested)), setRefused).finally(() => setFinishing(false));
  }, []);
  if (handover) return html`<${Handover} text=${handover} />`;
  if (finishing) return html`<main class="login"><form><${Mark} /><${Title}>Log in to Thalassa</${Title}><p class="muted" role="status">Logging in…</p></form></main>`;
  return html`<main class="login"><${Form} offer=${offer} refused=${refused} /></main>`;
}

/** @param {{offer: {ways: string[], provider?: string}, refused: any}} props */
function Form({ offer, refused }) {
  const [error, setError] = useState(/** @type {any} */ (null));
  const kinds = ["token", "password"].filter((k) => offer.ways.includes(k));
  const [chosen, setChosen] = useState(() => stored("localStorage", remembered) || "token");
  const kind = kinds.includes(chosen) ? chosen : kinds[0] ?? "token";
  const [user, setUser] = useState("");
  const [secret, setSecret] = useState("");
  const [busy, setBusy] = useState(false);
  const byToken = kind === "token";
  const submit = async (/** @type {Event} */ e) => {
    e.preventDefault();
    setBusy(true);
    setError(null);
    try {
      await login(byToken ? { token: secret.trim() } : { user: user.trim(), password: secret });
      store("localStorage", remembered, kind);
      open(route.peek().query.get("next") ?? "");
    } catch (failure) {
      setError(failure);
    } finally {
      setBusy(false);
    }
  };
  const change = () => {
    setChosen(byToken ? "password" : "token");
    setSecret("");
    setError(null);
  };
  const field = byToken ? "token" : "password";
  return html`<form onSubmit=${submit}>
      <${Mark} />
      <${Title}>Log in to Thalassa</${Title}>
      ${offer.provider ? html`<${Provider} url=${offer.provider} refused=${refused} />` : html`<${Problem} error=${refused} />`}
      <p class="muted">${byToken ? "Enter a token of this load balancer." : "Enter your name and password."} The browser stores a session, not the ${field}.</p>
      ${!byToken && html`<div class="field">
        <label for="user">Name</label>
        <input id="user" autocomplete="username" required autofocus value=${user} onInput=${(/** @type {any} */ e) => setUser(e.target.value)} />
      </div>`}
      <div class=${error ? "field bad" : "field"}>
        <label for=${field}>${byToken ? "Token" : "Password"}</label>
        <input id=${field} type="password" autocomplete="current-password" required autofocus=${byToken && !offer.provider} aria-describedby=${error ? "problem" : undefined}
          aria-invalid=${error ? "true" : undefined} value=${secret} onInput=${(/** @type {any} */ e) => setSecret(e.target.value)} />
      </div>
      <div id="problem"><${Problem} error=${error} /></div>
      <${Button} kind=${offer.provider ? "" : "primary"} type="submit" busy=${busy}>Log in</${Button}>
      ${kinds.length > 1 && html`<${Button} onClick=${change}>${byToken ? "Use a name and password" : "Use a token"}</${Button}>`}
      <${Certificate} />
    </form>`;
}

/** The way to the identity provider, and back to this page.
 * @param {{url: string, refused: any}} props refused: why a login there has failed */
function Provider({ url, refused }) {
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState(refused);
  const begin = async () => {
    setBusy(true);
    setError(null);
    try {
      store("sessionStorage", requested, route.peek().query.get("next") ?? "");
      await beginLogin();
    } catch (failure) {
      setError(failure);
      setBusy(false);
    }
  };
  return html`<${Button} kind="primary" busy=${busy} onClick=${begin}>Log in with ${new URL(url).host}</${Button}>
    <${Problem} error=${error} />
    <p class="or"><span>or</span></p>`;
}

/** The SHA-256 of a certificate that the agent has signed itself, to compare with what the browser shows. */
function Certificate() {
  const [certificate, setCertificate] = useState(/** @type {any} */ (null));
  useEffect(() => {
    if (location.protocol !== "https:") {
      return;
    }
    get("/tls").then(setCertificate, () => {}); // the page works without
  }, []);
  if (!certificate?.selfSigned) {
    return null;
  }
  return html`<p class="muted fingerprint">
    The agent's certificate is self-signed. On the node, <code>thalassa status</code> shows the same SHA-256:${" "}
    <code>${certificate.fingerprint}</code>
  </p>`;
}
