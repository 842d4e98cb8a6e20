// The dialog of an action on the cluster.

import { useEffect, useState } from "preact/hooks";
import { actionOf } from "./clusterwords.js";
import { Choice, Field } from "./fields.js";
import { html } from "./html.js";
import { Button, Dialog, Loading, Problem, toast } from "./parts.js";
import { call } from "./rest.js";

/** @typedef {import("./clusterwords.js").Action} Action */

/** Shows what Pacemaker will do, and asks for confirmation.
 * @param {{action: Action, nodes?: string[], onClose: () => void}} props nodes: to choose from, if the action asks for one */
export function ActionDialog({ action, nodes = [], onClose }) {
  const { kind, resource } = action;
  const [node, setNode] = useState(action.node ?? "");
  const [prediction, setPrediction] = useState(/** @type {string[]|null} */ (null));
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState(/** @type {any} */ (null));
  const [down, setDown] = useState(false);
  const [also, setAlso] = useState(/** @type {string[]} */ ([]));
  const all = [node, ...also];
  const body = kind === "forget" ? { nodes: all, ...(down ? { down } : {}) } : { ...(node ? { node } : {}), ...(resource ? { resource } : {}) };
  const lacks = action.choose === "node" && node === "";
  useEffect(() => {
    if (lacks) return undefined;
    const stop = new AbortController();
    setPrediction(null);
    setError(null);
    call("POST", `/cluster/simulate/${kind}`, { body, signal: stop.signal }).then(
      ({ data }) => setPrediction(data.text),
      (failure) => stop.signal.aborted || setError(failure),
    );
    return () => stop.abort();
  }, [node, down, also]);
  const confirm = async () => {
    setBusy(true);
    try {
      await call("POST", `/cluster/actions/${kind}`, { body });
      toast({ text: also.length > 0 ? actionOf(kind, { node: all.join(", ") }).done : action.done, kind: "good" });
      onClose();
    } catch (failure) {
      setError(failure);
      setBusy(false);
    }
  };
  const says = ["startup", "shutdown", "leave", "forget"].includes(kind) ? "This will happen:" : "Pacemaker predicts:";
  const options = /** @type {[string, string][]} */ ([["", action.choose === "node" ? "choose…" : "all nodes"], ...nodes.map((n) => [n, n])]);
  return html`<${Dialog} title=${action.title} busy=${busy} onClose=${onClose}>
    <div class="body">
      ${action.danger && html`<p><b>${action.danger}</b></p>`}
      ${action.also?.map((n) => html`<${Choice} key=${n} path=${`also-${n}`} label=${`Forget ${n} at the same time`} checked=${also.includes(n)} errors=${[]} onChange=${(/** @type {boolean} */ on) => { setDown(false); setAlso(on ? [...also, n] : also.filter((o) => o !== n)); }} />`)}
      ${action.choose === "down" && html`<${Choice} path="down" label=${`I have seen that ${all.join(", ")} ${all.length > 1 ? "are" : "is"} off`} checked=${down} errors=${[]} onChange=${setDown}
        hint="Needed if it was not fenced, or the cluster has no quorum. If it runs, the cluster may run a resource twice and damage data." />`}
      ${(action.choose === "node" || action.choose === "any node") && html`<${Field} path="node" label="Node" value=${node} options=${options} disabled=${busy} errors=${[]} onChange=${setNode} />`}
      ${lacks ? null : prediction === null ? !error && html`<${Loading} lines=${2} />` : prediction.length === 0 ? html`<p>Pacemaker predicts: no resource starts, stops or moves.</p>`
        : html`<p class="muted">${says}</p><ul class="consequences">${prediction.map((s) => html`<li key=${s}>${s}</li>`)}</ul>`}
      <${Problem} error=${error} />
      ${busy && html`<p role="status" class="muted">Waiting for the cluster to settle…</p>`}
    </div>
    <footer><${Button} disabled=${busy} onClick=${onClose}>Cancel</${Button}>
      <${Button} kind=${action.danger ? "primary danger" : "primary"} role=${action.role ?? "operate"} busy=${busy} disabled=${lacks || prediction === null} onClick=${confirm}>${action.label}</${Button}></footer>
  </${Dialog}>`;
}
