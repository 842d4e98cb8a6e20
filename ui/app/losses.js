// Which nodes the cluster may lose.

import { useEffect, useState } from "preact/hooks";
import { html } from "./html.js";
import { Badge, Button, Loading, Problem, sentence } from "./parts.js";
import { usePlace } from "./place.js";
import { call, get } from "./rest.js";
import { refusal } from "./session.js";

/** @typedef {import("./types.js").Loss} Loss
 *  @typedef {import("./types.js").Losses} Losses */

/** How often to look while something is computed, in milliseconds. */
const interval = 2000;

/** @param {{epoch: string, nodes: string[]}} props epoch: of the cluster's configuration; nodes: to choose several from */
export function LossPanel({ epoch, nodes }) {
  const { base } = usePlace();
  const [known, setKnown] = useState(/** @type {Losses|null} */ (null));
  const [error, setError] = useState(/** @type {any} */ (null));
  useEffect(() => {
    const stop = new AbortController();
    /** @type {number|undefined} */
    let timer;
    const look = () => get(base + "/losses", stop.signal).then((/** @type {Losses} */ found) => {
      setKnown(found);
      setError(null);
      if (found.computing) timer = setTimeout(look, interval);
    }, (failure) => stop.signal.aborted || setError(failure));
    timer = setTimeout(look, 0);
    return () => { stop.abort(); clearTimeout(timer); };
  }, [epoch]);
  return html`<section class="panel" aria-label="Which node may I lose?"><h2>Which node may I lose?</h2>
    <${Problem} error=${error} />
    ${!known && !error && html`<${Loading} lines=${2} />`}
    ${known && html`<ul class="links">${known.text.map((line) => html`<li key=${line}>${sentence(line)}</li>`)}</ul>
      <p class="tags">${known.losses.filter((l) => l.nodes.length === 1).map((l) => html`<${LossBadge} key=${l.nodes[0]} loss=${l} /> `)}</p>`}
    ${known?.computing && html`<p role="status" class="muted">Not all is computed yet.</p>`}
    ${nodes.length > 2 && !refusal("operate") && html`<${Several} nodes=${nodes} epoch=${epoch} />`}
  </section>`;
}

/** @param {{loss: Loss}} props */
function LossBadge({ loss: l }) {
  const why = [...l.lost.map((r) => `${r} runs nowhere`), ...(l.reasons ?? [])].join("; ");
  if (!l.known) return html`<${Badge} title=${l.problem || "not computed yet"}>${l.nodes[0]}: ?</${Badge}>`;
  return html`<${Badge} kind=${l.survives ? "good" : "bad"} title=${why}>${l.nodes[0]}: ${l.survives ? "yes" : "no"}</${Badge}>`;
}

/** Asks about the failure of several nodes at once.
 * @param {{nodes: string[], epoch: string}} props */
function Several({ nodes, epoch }) {
  const [chosen, setChosen] = useState(/** @type {string[]} */ ([]));
  const [answer, setAnswer] = useState(/** @type {Loss|null} */ (null));
  const [error, setError] = useState(/** @type {any} */ (null));
  const [busy, setBusy] = useState(false);
  useEffect(() => setAnswer(null), [epoch, chosen.join()]);
  const ask = async () => {
    setBusy(true);
    setError(null);
    try {
      setAnswer((await call("POST", "/cluster/losses", { body: { nodes: chosen } })).data);
    } catch (failure) {
      setError(failure);
    } finally {
      setBusy(false);
    }
  };
  const toggle = (/** @type {string} */ n) => setChosen(chosen.includes(n) ? chosen.filter((o) => o !== n) : [...chosen, n]);
  return html`<fieldset class="several"><legend>Several at once</legend>
    ${nodes.map((n) => html`<label key=${n}><input type="checkbox" checked=${chosen.includes(n)} onChange=${() => toggle(n)} /> ${n}</label>`)}
    <${Button} busy=${busy} disabled=${chosen.length < 2 || chosen.length >= nodes.length} onClick=${ask}>What if they fail?</${Button}>
    ${answer && html`<p role="status"><${Badge} kind=${answer.survives ? "good" : "bad"}>${answer.survives ? "yes" : "no"}</${Badge}>
      ${answer.survives ? "Everything runs afterwards." : lostWords(answer)}</p>`}
    <${Problem} error=${error} /></fieldset>`;
}

/** @param {Loss} l */
function lostWords(l) {
  const parts = [(l.addresses ?? []).length > 0 && `the address ${(l.addresses ?? []).join(", ")} is lost`, l.lost.length > 0 && `${l.lost.join(", ")} runs nowhere`,
    (l.demoted ?? []).length > 0 && `${(l.demoted ?? []).join(", ")} has no promoted instance`, !l.quorum && "what is left has no quorum"];
  return sentence(parts.filter(Boolean).join("; "));
}
