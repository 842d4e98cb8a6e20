// Sparklines and donuts.

import { useEffect, useRef } from "preact/hooks";
import { classes, html } from "./html.js";
import { seriesOf, tick } from "./live.js";
import { sums } from "./series.js";

/** A line of the last values of a series, without axes. It is drawn again with
 * each tick while it is visible. Screen readers skip it: the numbers are beside it.
 * @param {{id?: string, name?: import("./series.js").Name, sum?: string[], bad?: boolean}} props id of one object, or several ids to be added up */
export function Sparkline({ id, name = "requests", sum, bad }) {
  const ref = useRef(/** @type {HTMLCanvasElement|null} */ (null));
  const ids = sum ?? (id ? [id] : []);
  useEffect(() => {
    const canvas = ref.current;
    if (!canvas) return undefined;
    let seen = false;
    const paint = () => seen && draw(canvas, added(ids, name));
    const watcher = new IntersectionObserver((entries) => {
      seen = entries[entries.length - 1].isIntersecting;
      paint();
    });
    watcher.observe(canvas);
    const stop = tick.subscribe(() => {
      if (seen) requestAnimationFrame(paint);
    });
    return () => {
      watcher.disconnect();
      stop();
    };
  }, [ids.join(" "), name]);
  return html`<canvas ref=${ref} class=${classes("spark", bad && "bad")} aria-hidden="true"></canvas>`;
}

/** The sums of the values of several objects, newest last.
 * @param {string[]} ids
 * @param {import("./series.js").Name} name */
function added(ids, name) {
  const size = 120;
  return sums(ids.flatMap((id) => seriesOf(id)?.read(name, size) ?? []), size);
}

/** @param {HTMLCanvasElement} canvas
 * @param {Float64Array} values */
function draw(canvas, values) {
  const { clientWidth: width, clientHeight: height } = canvas;
  const ctx = canvas.getContext("2d");
  if (!ctx || !width) return;
  const scale = devicePixelRatio || 1;
  if (canvas.width !== Math.round(width * scale) || canvas.height !== Math.round(height * scale)) {
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
  }
  ctx.setTransform(scale, 0, 0, scale, 0, 0);
  ctx.clearRect(0, 0, width, height);
  let top = 0;
  for (const v of values) if (v > top) top = v;
  const color = getComputedStyle(canvas).color;
  ctx.strokeStyle = color;
  ctx.fillStyle = color;
  ctx.lineWidth = 1.5;
  ctx.lineJoin = "round";
  ctx.globalAlpha = top ? 1 : 0.4; // only zeros
  const x = (/** @type {number} */ i) => (i / (values.length - 1)) * width;
  const y = (/** @type {number} */ v) => height - 1.5 - (top ? v / top : 0) * (height - 3);
  for (const [from, to] of runs(values)) {
    ctx.beginPath();
    for (let i = from; i < to; i++) ctx.lineTo(x(i), y(values[i]));
    ctx.stroke();
    ctx.lineTo(x(to - 1), height);
    ctx.lineTo(x(from), height);
    if (!top) continue;
    ctx.globalAlpha = 0.14;
    ctx.fill();
    ctx.globalAlpha = 1;
  }
}

/** The ranges of known values.
 * @param {Float64Array} values
 * @returns {[number, number][]} */
function runs(values) {
  /** @type {[number, number][]} */
  const out = [];
  let from = -1;
  for (let i = 0; i <= values.length; i++) {
    const known = i < values.length && !Number.isNaN(values[i]);
    if (known && from < 0) from = i;
    if (!known && from >= 0) {
      if (i - from > 1) out.push([from, i]);
      from = -1;
    }
  }
  return out;
}

/** The color of a share of healthy members: green from 0.7, yellow above 0.4, else red.
 * @param {number} healthy
 * @param {number} members */
export function grade(healthy, members) {
  const share = members ? healthy / members : 0;
  return share >= 0.7 ? "good" : share > 0.4 ? "fair" : "bad";
}

/** A ring with the share of healthy members.
 * @param {{healthy: number|undefined, members: number, large?: boolean}} props */
export function Donut({ healthy, members, large }) {
  const known = healthy !== undefined;
  const share = known && members ? Math.min(1, healthy / members) : 0;
  const around = 2 * Math.PI * 15;
  const words = known ? `${healthy} of ${members} members healthy` : "health unknown";
  return html`<svg class=${classes("donut", known && grade(healthy, members), large && "large")} viewBox="0 0 40 40" role="img" aria-label=${words}>
    <title>${words}</title>
    <circle class="track" cx="20" cy="20" r="15" />
    ${share > 0 && html`<circle class="share" cx="20" cy="20" r="15" transform="rotate(-90 20 20)" stroke-dasharray=${`${share * around} ${around}`} />`}
    <text x="20" y="20" dy=".35em" text-anchor="middle">${known ? `${healthy}/${members}` : "–"}</text>
  </svg>`;
}
