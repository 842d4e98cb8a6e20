// The connection to the stream, and signals of what came over it.

import { batch, signal } from "@preact/signals";
import { Model } from "./model.js";
import { identify, identity } from "./session.js";
import { Silence } from "./silence.js";

/** @typedef {import("@preact/signals").Signal<any>} AnySignal */

export const model = new Model();

/** state: "connecting" at first, then "live" or "lost"; since: when that began;
 * retry: when the next attempt is made, 0 while one is. */
export const connection = signal({ state: "connecting", since: Date.now(), retry: 0 });

/** What the server said of itself. */
export const hello = signal(/** @type {import("./types.js").Hello|null} */ (null));

/** Grows with each tick of the statistics; for what draws series. */
export const tick = signal(0);

/** The present, in the server's time, a second at a time. */
export const now = signal(Date.now());

/** @type {Map<string, AnySignal>} */
const objects = new Map();
/** @type {Map<string, import("@preact/signals").Signal<string[]|null>>} */
const lists = new Map();
let offset = 0; // of the server's clock from this one

/** An object's signal; undefined while there is none.
 * @param {string} id
 * @returns {AnySignal} */
export function object(id) {
  let s = objects.get(id);
  if (!s) objects.set(id, (s = signal(find(id))));
  return s;
}

/** @param {string} id */
function find(id) {
  for (const topic of model.topics.values()) {
    if (topic.has(id)) return topic.get(id);
  }
  return undefined;
}

/** An object of stat as it is, followed only while its row can be seen; else it is
 * as of when the set of objects changed last.
 * @param {string} id
 * @param {boolean} visible */
export function follow(id, visible) {
  void list("stat").value;
  const s = object(id);
  return visible ? s.value : s.peek();
}

/** The ids of a topic's objects; null before they are known.
 * @param {string} topic */
export function list(topic) {
  let s = lists.get(topic);
  if (!s) {
    const known = model.topics.get(topic);
    lists.set(topic, (s = signal(known ? [...known.keys()] : null)));
  }
  return s;
}

/** The series of an object up to now.
 * @param {string} id */
export function seriesOf(id) {
  const series = model.series.get(id);
  if (series && connection.peek().state === "live") series.advance(Math.floor((now.peek() - series.end) / series.interval) * series.interval + series.end);
  return series;
}

/** @param {import("./types.js").Message} m */
function take(m) {
  const change = model.apply(m);
  if (m.time) offset = m.time - Date.now();
  batch(() => {
    if (change.hello) greet();
    for (const topic of change.topics) list(topic).value = [...model.objects(topic).keys()];
    for (const id of change.ids) {
      const s = objects.get(id);
      if (s) s.value = find(id);
    }
    if (m.topic === "stat") tick.value++;
  });
}

/** @type {WebSocket|null} */
let socket = null;
let attempt = 0;
const silence = new Silence();
let timer = 0;

function greet() {
  const before = hello.peek();
  hello.value = model.hello;
  connection.value = { state: "live", since: Date.now(), retry: 0 };
  attempt = 0;
  if (before && model.hello && before.version !== model.hello.version) stale.value = true;
}

/** The agent is another version than the one that this page came from. */
export const stale = signal(false);

function connect() {
  clearTimeout(timer);
  if (socket) return;
  connection.value = { ...connection.peek(), retry: 0 };
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  const ws = new WebSocket(`${scheme}//${location.host}/streams`, "thalassa.v1");
  socket = ws;
  silence.broken(Date.now());
  ws.onmessage = (e) => {
    silence.broken(Date.now());
    const m = JSON.parse(e.data);
    take(m);
    if (m.type === "hello") ws.send(JSON.stringify(model.subscription(wanted(m.topics))));
  };
  ws.onclose = () => {
    if (socket === ws) lost();
  };
}

/** @param {string[]} available */
function wanted(available) {
  const all = ["status", "frontends", "backends", "services", "stat", "activity", "cluster"];
  return all.filter((topic) => available.includes(topic));
}

function lost() {
  socket = null;
  const wait = Math.min(10_000, 500 * 2 ** attempt++) * (0.7 + 0.6 * Math.random());
  const before = connection.peek();
  connection.value = {
    state: before.state === "connecting" && attempt < 2 ? "connecting" : "lost",
    since: before.state === "lost" ? before.since : silence.heard || Date.now(), retry: Date.now() + wait,
  };
  timer = setTimeout(again, wait);
}

/** Connects again, unless it turns out that a token is needed. */
async function again() {
  if (socket) return;
  await identify();
  if (identity.peek()) connect();
  else lost();
}

/** Tries at once rather than at the next turn. */
export function retry() {
  if (socket || !identity.peek()) return;
  attempt = 0;
  connect();
}

/** Looks whether the agent is still there: asking again for what is followed makes
 * it answer. */
function watch() {
  if (!socket || socket.readyState !== WebSocket.OPEN || !model.hello) return;
  switch (silence.turn(Date.now())) {
    case "ask":
      socket.send(JSON.stringify(model.subscription(wanted(model.hello.topics))));
      break;
    case "end":
      socket.onclose = socket.onmessage = null;
      socket.close();
      lost();
  }
}

/** Connects and stays connected. */
export function begin() {
  setInterval(() => {
    now.value = Date.now() + offset;
    if (connection.peek().state === "live") tick.value++;
    watch();
  }, 1000);
  addEventListener("online", retry);
  document.addEventListener("visibilitychange", () => document.hidden || retry());
  identity.subscribe((who) => {
    if (who) connect();
    else end();
  });
}

/** Ends the connection, when nobody is logged in any more. */
function end() {
  clearTimeout(timer);
  if (!socket) return;
  socket.onclose = null;
  socket.close();
  socket = null;
}
