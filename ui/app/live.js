// The connection to the stream, and signals for the objects that it delivers.

import { batch, signal } from "@preact/signals";
import { Model } from "./model.js";
import { identify, identity } from "./session.js";
import { Silence } from "./silence.js";

/** @typedef {import("@preact/signals").Signal<any>} AnySignal */

export const model = new Model();

/** state: "connecting" at first, then "live" or "lost"; since: when that state
 * began; retry: time of the next attempt, 0 during an attempt. */
export const connection = signal({ state: "connecting", since: Date.now(), retry: 0 });

/** The hello message of the server. */
export const hello = signal(/** @type {import("./types.js").Hello|null} */ (null));

/** Whether the agent only shows other clusters. */
export function isConsole() {
  return Boolean(hello.value && !hello.value.topics.includes("backends"));
}

/** Increases with each tick of the statistics. Charts redraw when it changes. */
export const tick = signal(0);

/** The current time by the server's clock, updated every second. */
export const now = signal(Date.now());

/** @type {Map<string, AnySignal>} */
const objects = new Map();
/** @type {Map<string, import("@preact/signals").Signal<string[]|null>>} */
const lists = new Map();
let offset = 0; // of the server's clock from the local one

/** The signal of an object. Its value is undefined while the object does not exist.
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

/** A stat object, followed only while its row is visible. Otherwise the value is
 * from the last change of the set of objects.
 * @param {string} id
 * @param {boolean} visible */
export function follow(id, visible) {
  void list("stat").value;
  const s = object(id);
  return visible ? s.value : s.peek();
}

/** The ids of a topic's objects; null until the first state arrives.
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
function receive(m) {
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

/** The agent has another version than this page. */
export const stale = signal(false);

function connect() {
  clearTimeout(timer);
  if (socket) return;
  connection.value = { ...connection.peek(), retry: 0 };
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  const ws = new WebSocket(`${scheme}//${location.host}/streams`, "thalassa.v1");
  socket = ws;
  silence.heardFrom(Date.now());
  ws.onmessage = (e) => {
    silence.heardFrom(Date.now());
    const m = JSON.parse(e.data);
    receive(m);
    if (m.type === "hello") ws.send(JSON.stringify(model.subscription(wanted(m.topics))));
  };
  ws.onclose = () => {
    if (socket === ws) lost();
  };
}

/** @param {string[]} available */
function wanted(available) {
  const cluster = available.includes("clusterparts") ? "clusterparts" : "cluster";
  const all = ["status", "frontends", "backends", "services", "canaries", "stat", "activity", cluster, "clusters"];
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
  timer = setTimeout(reconnect, wait);
}

/** Connects again, unless the agent now requires a token. */
async function reconnect() {
  if (socket) return;
  await identify();
  if (identity.peek()) connect();
  else lost();
}

/** Connects now instead of at the next attempt. */
export function retry() {
  if (socket || !identity.peek()) return;
  attempt = 0;
  connect();
}

/** Checks that the agent still answers: a repeated subscription makes it answer. */
function checkSilence() {
  if (!socket || socket.readyState !== WebSocket.OPEN || !model.hello) return;
  switch (silence.check(Date.now())) {
    case "ask":
      socket.send(JSON.stringify(model.subscription(wanted(model.hello.topics))));
      break;
    case "end":
      socket.onclose = socket.onmessage = null;
      socket.close();
      lost();
  }
}

/** Connects, and reconnects whenever the connection is lost. */
export function begin() {
  setInterval(() => {
    now.value = Date.now() + offset;
    if (connection.peek().state === "live") tick.value++;
    checkSilence();
  }, 1000);
  addEventListener("online", retry);
  document.addEventListener("visibilitychange", () => document.hidden || retry());
  identity.subscribe((who) => {
    if (who) connect();
    else end();
  });
}

/** Closes the connection after a logout. */
function end() {
  clearTimeout(timer);
  if (!socket) return;
  socket.onclose = null;
  socket.close();
  socket = null;
}
