import { useEffect, useState } from "preact/hooks";
import { html } from "./html.js";
import { Mark } from "./icons.js";
import { Button, Problem, Title } from "./parts.js";
import { get } from "./rest.js";
import { go, route } from "./router.js";
import { login } from "./session.js";

/** The login form. After the login it opens the page that was requested. */
export function Login() {
  const [token, setToken] = useState("");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState(/** @type {any} */ (null));
  const submit = async (/** @type {Event} */ e) => {
    e.preventDefault();
    setBusy(true);
    setError(null);
    try {
      await login(token.trim());
      const next = route.peek().query.get("next") ?? "";
      go(/^\/(?![/\\])/.test(next) ? next : "/overview", { replace: true });
    } catch (failure) {
      setError(failure);
    } finally {
      setBusy(false);
    }
  };
  return html`<main class="login">
    <form onSubmit=${submit}>
      <${Mark} />
      <${Title}>Log in to Thalassa</${Title}>
      <p class="muted">Enter a token from this load balancer's token file. The browser stores a session, not the token.</p>
      <div class=${error ? "field bad" : "field"}>
        <label for="token">Token</label>
        <input id="token" type="password" autocomplete="current-password" required autofocus aria-describedby=${error ? "token-problem" : undefined}
          aria-invalid=${error ? "true" : undefined} value=${token} onInput=${(/** @type {any} */ e) => setToken(e.target.value)} />
      </div>
      <div id="token-problem"><${Problem} error=${error} /></div>
      <${Button} kind="primary" type="submit" busy=${busy}>Log in</${Button}>
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
    The agent has signed its certificate itself. Its SHA-256, as <code>thalassa status</code> on the node shows it:
    <code>${certificate.fingerprint}</code>
  </p>`;
}
