// A form that makes a request of the API, and shows the answer.

import { useRef, useState } from "preact/hooks";
import { editing } from "./editing.js";
import { Field } from "./fields.js";
import * as format from "./format.js";
import { html } from "./html.js";
import { addressOf } from "./openapi.js";
import { Badge, Button, Problem } from "./parts.js";
import { refusals } from "./rest.js";
import { changeable } from "./session.js";

/** At most this many characters of an answer are shown. */
const mostText = 200_000;

/** Operations that a form cannot make, and what does. */
const others = /** @type {Record<string, string>} */ ({ "/streams": "This is a websocket: every page of this UI uses it." });

/** @typedef {import("./openapi.js").Operation} Operation
 * @typedef {{status: number, took: number, headers: [string, string][], text: string, isCut: boolean}} Answer */

/** @param {{operation: Operation}} props */
export function TryIt({ operation: o }) {
  const [values, setValues] = useState(/** @type {Record<string, string>} */ (Object.fromEntries(o.parameters.filter((p) => p.in === "path").map((p) => [p.name, p.example]))));
  const [body, setBody] = useState(o.body?.required ? o.body.example : "");
  const [asking, setAsking] = useState(false);
  const [busy, setBusy] = useState(false);
  const [answer, setAnswer] = useState(/** @type {Answer|null} */ (null));
  const [error, setError] = useState(/** @type {any} */ (null));
  const stop = useRef(/** @type {AbortController|null} */ (null));
  const other = others[o.path] ?? (o.body && !o.body.type.includes("json") ? `The body is ${o.body.type}: use the command line, or another client.` : "");
  if (other) return html`<h2>Try it</h2><p class="muted">${other}</p>`;
  const isSafe = o.method === "GET";
  const address = addressOf(o, values);
  const role = /** @type {any} */ (["deploy", "operate", "admin"].includes(o.role) ? o.role : undefined);
  const absent = o.parameters.filter((p) => p.required && !values[p.name]);
  const run = async () => {
    setAsking(false);
    setBusy(true);
    setError(null);
    stop.current = new AbortController();
    try {
      setAnswer(await send(o, address, values, body, stop.current.signal));
    } catch (failure) {
      setAnswer(null);
      setError({ message: stop.current.signal.aborted ? "canceled; the agent may have carried it out" : "no connection to the agent" });
    } finally {
      setBusy(false);
    }
  };
  const submit = (/** @type {Event} */ e) => {
    e.preventDefault();
    if (absent.length > 0) setError({ message: `${absent.map((p) => p.name).join(", ")} is missing` });
    else if (isSafe) void run();
    else setAsking(true);
  };
  const change = (/** @type {() => void} */ set) => {
    set();
    setAsking(false); // the question was about something else
  };
  return html`<h2>Try it</h2><form class="try" aria-label="Try it" onSubmit=${submit} novalidate>
    <div class="pair">${o.parameters.map((p) => html`<${Field} key=${p.name} path=${`${o.id}.${p.name}`} label=${`${p.name} (${p.in})`} value=${values[p.name] ?? ""} errors=${[]} required=${p.required} placeholder=${p.example}
      onChange=${(/** @type {string} */ v) => change(() => setValues({ ...values, [p.name]: v }))} />`)}</div>
    ${o.body && html`<${Field} path=${`${o.id}.body`} label="Body" lines=${8} code value=${body} errors=${[]} onChange=${(/** @type {string} */ v) => change(() => setBody(v))} />`}
    <p class="actions"><code class="address">${o.method} ${address}</code>
      <${Button} type="submit" role=${role} on=${changeable()} kind=${isSafe ? "primary" : ""} busy=${busy}>${isSafe ? "Send" : "Send…"}</${Button}>
      ${busy && html`<${Button} onClick=${() => stop.current?.abort()}>Cancel</${Button}>`}</p>
    ${asking && html`<div class="problem ask" role="alert"><div><p><b>${o.method} ${address} is carried out at once, with your rights.</b></p>
      ${editing.value && !values.draft && html`<p>It does not change the draft that you are editing, unless the parameter <code>draft</code> names it.</p>`}
      <p class="actions"><${Button} onClick=${() => setAsking(false)}>Cancel</${Button}><${Button} kind="danger" role=${role} on=${changeable()} onClick=${run}>Send ${o.method}</${Button}></p></div></div>`}
    <${Problem} error=${error} />
    ${answer && html`<${Shown} answer=${answer} />`}
  </form>`;
}

/** Makes the request with the session's rights.
 * @param {Operation} o
 * @param {string} address
 * @param {Record<string, string>} values
 * @param {string} body
 * @param {AbortSignal} signal
 * @returns {Promise<Answer>} */
async function send(o, address, values, body, signal) {
  /** @type {Record<string, string>} */
  const headers = { Accept: "application/json, */*;q=0.5" };
  for (const p of o.parameters) if (p.in === "header" && values[p.name]) headers[p.name] = values[p.name];
  const hasBody = o.body !== undefined && body.trim() !== "";
  if (hasBody) headers["Content-Type"] = o.body?.type ?? "";
  const begin = performance.now();
  const response = await fetch(address, { method: o.method, headers, body: hasBody ? body : undefined, credentials: "same-origin", cache: "no-store", signal });
  const text = await response.text();
  if (response.status === 401 && o.role !== "none") refusals.value++;
  return { status: response.status, took: performance.now() - begin, headers: [...response.headers.entries()], text: pretty(text).slice(0, mostText), isCut: text.length > mostText };
}

/** JSON with line breaks; other text as it is.
 * @param {string} text */
function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

/** @param {{answer: Answer}} props */
function Shown({ answer: a }) {
  const kind = a.status < 300 ? "good" : a.status < 400 ? "info" : "bad";
  return html`<section class="answer" aria-label="Answer" role="status"><p><${Badge} kind=${kind}>${a.status}</${Badge}> <span class="muted">in ${format.duration(a.took)}</span></p>
    <details class="others"><summary>Headers</summary><dl>${a.headers.map(([name, value]) => [html`<dt key=${name}>${name}</dt>`, html`<dd key=${name + "v"}><code>${value}</code></dd>`])}</dl></details>
    ${a.text && html`<pre tabindex="0" aria-label="Body of the answer">${a.text}</pre>`}${a.isCut && html`<p class="muted">The rest is not shown.</p>`}</section>`;
}
