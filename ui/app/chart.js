// Charts with axes, of all values of a series.

import { useEffect, useRef } from "preact/hooks";
import { html } from "./html.js";
import { hello, seriesOf, tick } from "./live.js";

/** @typedef {import("./series.js").Name} Name */

/** A color of the style sheet, which uPlot's canvas cannot read.
 * @param {string} name */
function color(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

/** Steps of an axis. The first three have fractions. */
const steps = Array.from({ length: 11 }, (_, i) => [1, 2, 5].map((n) => n * 10 ** (i - 1))).flat();

/** @param {{title: string, id: string, name: Name, stroke: string, format: (n: number) => string, whole?: boolean}} props
 * stroke: a property of the style sheet; whole: the axis has no fractions */
export function Chart({ title, id, name, stroke, format, whole = false }) {
  const ref = useRef(/** @type {HTMLDivElement|null} */ (null));
  useEffect(() => {
    const box = ref.current;
    if (!box) return undefined;
    /** @type {any} */
    let plot = null;
    let gone = false;
    const paint = () => plot?.setData(data(id, name));
    const build = async () => {
      const { default: UPlot } = await import("uplot");
      if (gone) return;
      plot?.destroy();
      plot = new UPlot(options(box, color(stroke), format, whole), data(id, name), box);
    };
    void build();
    const watcher = new ResizeObserver(() => plot?.setSize({ width: box.clientWidth, height: box.clientHeight }));
    watcher.observe(box);
    document.addEventListener("themechange", build);
    const scheme = matchMedia("(prefers-color-scheme: dark)");
    scheme.addEventListener("change", build);
    const stop = tick.subscribe(() => requestAnimationFrame(paint));
    return () => {
      gone = true;
      stop();
      watcher.disconnect();
      document.removeEventListener("themechange", build);
      scheme.removeEventListener("change", build);
      plot?.destroy();
      plot = null; // an animation frame may still run
    };
  }, [id, name]);
  return html`<figure class="chart"><figcaption>${title}</figcaption><div ref=${ref} class="plot" role="img" aria-label=${`${title}, the last five minutes`}></div></figure>`;
}

/** @param {string} id
 * @param {Name} name
 * @returns {any} times in seconds, and values */
function data(id, name) {
  const series = seriesOf(id);
  const values = series?.read(name) ?? new Float64Array(hello.peek()?.history ?? 300).fill(NaN);
  const end = (series?.end || Date.now()) / 1000;
  const interval = (series?.interval ?? 1000) / 1000;
  return [Array.from(values, (_, i) => end - (values.length - 1 - i) * interval), Array.from(values, (v) => (Number.isNaN(v) ? null : v))];
}

/** @param {number} seconds */
function timeOfDay(seconds) {
  return new Date(seconds * 1000).toTimeString().slice(0, seconds % 60 ? 8 : 5);
}

/** @param {HTMLElement} box
 * @param {string} stroke
 * @param {(n: number) => string} format
 * @param {boolean} whole
 * @returns {any} */
function options(box, stroke, format, whole) {
  const axis = { stroke: color("--muted"), grid: { stroke: color("--line"), width: 1 }, ticks: { show: false }, font: "11px system-ui, sans-serif" };
  return {
    width: box.clientWidth, height: box.clientHeight, padding: [8, 20, 0, 0],
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false }, points: { size: 6 } },
    scales: { x: { time: true }, y: { range: (/** @type {any} */ _, /** @type {number} */ __, /** @type {number} */ max) => [0, max > 0 ? max * 1.1 : 1] } },
    axes: [{ ...axis, space: 70, size: 26, values: (/** @type {any} */ _, /** @type {number[]} */ times) => times.map(timeOfDay) }, { ...axis, size: 52, space: 28, incrs: whole ? steps.slice(3) : steps, values: (/** @type {any} */ _, /** @type {number[]} */ ticks) => ticks.map(format) }],
    series: [{}, { stroke, width: 1.5, fill: stroke + "22", points: { show: false }, spanGaps: false }],
    plugins: [tooltip(format)],
  };
}

/** Shows the time and value at the pointer.
 * @param {(n: number) => string} format */
function tooltip(format) {
  const tip = document.createElement("div");
  tip.className = "tip";
  return {
    hooks: {
      init: (/** @type {any} */ u) => u.over.append(tip),
      setCursor: (/** @type {any} */ u) => {
        const { idx, left } = u.cursor;
        const value = idx === null || idx === undefined ? null : u.data[1][idx];
        tip.hidden = value === null || value === undefined || left < 0;
        if (tip.hidden) return;
        tip.textContent = `${format(value)} at ${new Date(u.data[0][idx] * 1000).toTimeString().slice(0, 8)}`;
        tip.style.left = Math.min(left + 8, Math.max(0, u.over.clientWidth - tip.offsetWidth)) + "px";
      },
    },
  };
}
