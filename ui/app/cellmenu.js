// The menu of a cell in the table of nodes and resources: what may be done with a resource on a node.

import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { cellActions, resourcePath } from "./clusterwords.js";
import { html } from "./html.js";
import { useLoaded } from "./loaded.js";
import { get } from "./rest.js";
import { go } from "./router.js";

/** @typedef {{resource: string, node: string, runs: boolean, cell: HTMLElement}} Cell
 *  @typedef {import("./clusterwords.js").Action} Action */

/** The keys that go from cell to cell: to the right and down. */
const steps = /** @type {Record<string, [number, number]>} */ ({ ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] });

/** Makes a table one whose cells have a menu: with the keyboard, one cell has the focus, arrows go to
 * the others, and Enter opens. Cells have no elements of their own for that: there may be thousands.
 * @param {{current: HTMLTableElement|null}} table
 * @param {((cell: HTMLTableCellElement) => void)|undefined} open undefined: they have none */
export function useCells(table, open) {
  useLayoutEffect(() => { // one of them can be reached with Tab
    const body = open && table.current?.tBodies[0];
    if (body && !body.querySelector('td[tabindex="0"]')) body.querySelector("td")?.setAttribute("tabindex", "0");
  });
  if (!open) return {};
  const focus = (/** @type {HTMLTableCellElement|undefined} */ cell) => {
    if (!cell || cell.tagName !== "TD") return;
    for (const other of table.current?.querySelectorAll('td[tabindex="0"]') ?? []) other.removeAttribute("tabindex");
    cell.tabIndex = 0;
    cell.focus();
  };
  const cellOf = (/** @type {Event} */ e) => /** @type {HTMLTableCellElement|null} */ (/** @type {HTMLElement} */ (e.target).closest("tbody td"));
  return {
    onClick: (/** @type {Event} */ e) => {
      const cell = cellOf(e);
      if (!cell) return;
      focus(cell);
      open(cell);
    },
    onKeyDown: (/** @type {KeyboardEvent} */ e) => {
      const cell = cellOf(e);
      const row = /** @type {HTMLTableRowElement|null} */ (cell?.parentElement ?? null);
      if (!cell || !row || e.ctrlKey || e.metaKey || e.altKey) return;
      if (e.key === "Enter" || e.key === " ") open(cell);
      else if (e.key === "Home") focus(row.cells[1]);
      else if (e.key === "End") focus(row.cells[row.cells.length - 1]);
      else if (steps[e.key]) {
        const [right, down] = steps[e.key];
        focus(table.current?.tBodies[0].rows[row.sectionRowIndex + down]?.cells[cell.cellIndex + right]);
      } else return;
      e.preventDefault();
    },
  };
}

/** @param {{on: Cell, onAction: (a: Action) => void, onClose: () => void}} props */
export function CellMenu({ on, onAction, onClose }) {
  const { resource, node, runs, cell } = on;
  const path = resourcePath(resource);
  const { data, error } = useLoaded(path, (signal) => get(path, signal));
  const actions = data ? cellActions(data.actions, { resource, node, runs }) : [];
  const box = useRef(/** @type {HTMLDivElement|null} */ (null));
  const [place, setPlace] = useState(/** @type {{left: number, top: number}|null} */ (null));
  useLayoutEffect(() => { // beside the cell, and wholly on the screen
    const size = box.current?.getBoundingClientRect();
    const at = cell.getBoundingClientRect();
    if (!size) return;
    setPlace({ left: Math.max(8, Math.min(at.left, innerWidth - size.width - 8)), top: Math.max(8, Math.min(at.bottom + 2, innerHeight - size.height - 8)) });
    /** @type {HTMLElement|null} */ (box.current?.querySelector("[role=menuitem]"))?.focus();
  }, [data, error]);
  useEffect(() => {
    const away = (/** @type {Event} */ e) => { if (!(e.target instanceof Node && box.current?.contains(e.target))) onClose(); };
    addEventListener("pointerdown", away);
    addEventListener("resize", onClose);
    document.addEventListener("scroll", away, true);
    return () => {
      removeEventListener("pointerdown", away);
      removeEventListener("resize", onClose);
      document.removeEventListener("scroll", away, true);
    };
  }, []);
  const leave = () => {
    onClose();
    cell.focus();
  };
  const key = (/** @type {KeyboardEvent} */ e) => {
    const items = /** @type {HTMLElement[]} */ ([...(box.current?.querySelectorAll("[role=menuitem]") ?? [])]);
    const i = items.indexOf(/** @type {HTMLElement} */ (document.activeElement));
    const to = { ArrowDown: i + 1, ArrowUp: i - 1 + items.length, Home: 0, End: items.length - 1 }[e.key];
    if (e.key === "Escape" || e.key === "Tab") leave();
    else if (to !== undefined) items[to % items.length]?.focus();
    else return;
    e.preventDefault();
    e.stopPropagation();
  };
  const choose = (/** @type {Action} */ a) => {
    leave(); // the dialog gives the focus back to the cell
    onAction(a);
  };
  return html`<div ref=${box} class="cell-menu" style=${place ? `left: ${place.left}px; top: ${place.top}px` : "visibility: hidden"} onKeyDown=${key}>
    <p><b>${resource}</b> ${runs ? "on" : "is not on"} ${node}</p>
    <div role="menu" aria-label=${`${resource} on ${node}`} aria-busy=${!data && !error ? "true" : undefined}>
      ${actions.map((a) => html`<button key=${a.kind} type="button" role="menuitem" tabindex="-1" class=${a.danger ? "danger" : ""} onClick=${() => choose(a)}>${a.label}…</button>`)}
      <button type="button" role="menuitem" tabindex="-1" onClick=${() => go(path)}>Details</button></div>
    ${!data && !error && html`<p class="muted" role="status">Loading…</p>`}
    ${error && html`<p class="error" role="alert">${error.message}</p>`}
  </div>`;
}
