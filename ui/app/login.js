import { useEffect, useState } from "preact/hooks";
import { html } from "./html.js";
import { Mark } from "./icons.js";
import { Button, Problem, Title } from "./parts.js";
import { get } from "./rest.js";
import { go, parse, route } from "./router.js";
import { login } from "./session.js";

const remembered = "thalassa.login";

/** What this browser logged in with last time: "token" or "password". */
function lastKind() {
  try {
    return localStorage.getItem(remembered) === "password" ? "password" : "token";
  } catch {
    return "token"; // storage is forbidden
  }
}

/** @param {string} kind */
function rememberKind(kind) {
  try {
    localStorage.setItem(remembered, kind);
  } catch {
    // Storage is forbidden: the next login begins with the token.
  }
}

/** The login form. After the login it opens the page that was requested. */
export function Login() {
  const [kind, setKind] = useState(lastKind);
  const [user, setUser] = useState("");
  const [secret, setSecret] = useState("");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState(/** @type {any} */ (null));
  const byToken = kind === "token";
  const submit = async (/** @type {Event} */ e) => {
    e.preventDefault();
    setBusy(true);
    setError(null);
    try {
      await login(byToken ? { token: secret.trim() } : { user: user.trim(), password: secret });
      rememberKind(kind);
      const next = route.peek().query.get("next") ?? "";
      if (!/^\/(?![/\\])/.test(next)) go("/overview", { replace: true });
      else if (parse(new URL(next, location.href)).page === "missing") location.replace(next); // a route to something else
      else go(next, { replace: true });
    } catch (failure) {
      setError(failure);
    } finally {
      setBusy(false);
    }
  };
  const change = () => {
    setKind(byToken ? "password" : "token");
    setSecret("");
    setError(null);
  };
  const field = byToken ? "token" : "password";
  return html`<main class="login">
    <form onSubmit=${submit}>
      <${Mark} />
      <${Title}>Log in to Thalassa</${Title}>
      <p class="muted">${byToken ? "Enter a token of this load balancer." : "Enter your name and password."} The browser stores a session, not the ${field}.</p>
      ${!byToken && html`<div class="field">
        <label for="user">Name</label>
        <input id="user" autocomplete="username" required autofocus value=${user} onInput=${(/** @type {any} */ e) => setUser(e.target.value)} />
      </div>`}
      <div class=${error ? "field bad" : "field"}>
        <label for=${field}>${byToken ? "Token" : "Password"}</label>
        <input id=${field} type="password" autocomplete="current-password" required autofocus=${byToken} aria-describedby=${error ? "problem" : undefined}
          aria-invalid=${error ? "true" : undefined} value=${secret} onInput=${(/** @type {any} */ e) => setSecret(e.target.value)} />
      </div>
      <div id="problem"><${Problem} error=${error} /></div>
      <${Button} kind="primary" type="submit" busy=${busy}>Log in</${Button}>
      <${Button} onClick=${change}>${byToken ? "Use a name and password" : "Use a token"}</${Button}>
      <${Certificate} />
    </form>
  </main>`;
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
    The agent has signed its certificate itself. Its SHA-256, as <code>thalassa status</code> on the node shows it:${" "}
    <code>${certificate.fingerprint}</code>
  </p>`;
}
