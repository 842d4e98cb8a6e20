// The data that the stream delivered: topics of objects, and a series for each
// stat object. It uses no network, clock or page, so that tests need none.

import { Series, valuesOf } from "./series.js";

/** @typedef {import("./types.js").Message} Message
 *  @typedef {import("./types.js").Hello} Hello */

/** Events kept in memory. The activity page loads older ones. */
export const maxEvents = 500;

/** What a message changed: ids of objects, and topics whose set of ids changed.
 * @typedef {{ids: Set<string>, topics: Set<string>, hello: boolean}} Change */

export class Model {
  constructor() {
    /** @type {Hello|null} */
    this.hello = null;
    this.seq = 0; // everything up to it is known; 0: some states are not
    this.epoch = "";
    /** @type {Map<string, number>} the seq of each topic's state */
    this.states = new Map();
    this.time = 0; // server time of the last message with a time
    /** @type {Map<string, Map<string, any>>} by topic, by id */
    this.topics = new Map();
    /** @type {Map<string, Series>} by id */
    this.series = new Map();
    /** @type {Map<string, any>} what the object of the topic cluster is made of, by id */
    this.parts = new Map();
  }

  /** @param {string} topic
   * @returns {Map<string, any>} */
  objects(topic) {
    let objects = this.topics.get(topic);
    if (!objects) this.topics.set(topic, (objects = new Map()));
    return objects;
  }

  /** The subscription: the topics wanted, and from where to resume.
   * @param {string[]} topics */
  subscription(topics) {
    const resume = this.epoch && this.seq ? { epoch: this.epoch, seq: this.seq } : {};
    return { type: "subscribe", topics, ...resume };
  }

  /** Applies a message of the stream.
   * @param {Message} m
   * @returns {Change} */
  apply(m) {
    /** @type {Change} */
    const change = { ids: new Set(), topics: new Set(), hello: false };
    if (m.time) this.time = m.time;
    switch (m.type) {
      case "hello":
        this.greet(/** @type {any} */ (m));
        change.hello = true;
        break;
      case "state":
        if (m.topic === "clusterparts") this.join(m, change);
        else this.replace(m, change);
        break;
      case "delta":
        if (m.topic === "clusterparts") this.join(m, change);
        else this.merge(m, change);
        break;
    }
    this.note(m);
    return change;
  }

  /** Notes from where a new connection resumes. A delta proves that every state
   * arrived; a state alone may have been cut off.
   * @param {Message} m */
  note(m) {
    const topic = m.topic ?? "", seq = m.seq ?? 0;
    if (m.type === "state") {
      this.states.set(topic, seq);
      this.seq = 0;
    }
    if (m.type === "delta" && seq > (this.states.get(topic) ?? 0)) this.seq = seq;
  }

  /** @param {Hello} hello */
  greet(hello) {
    if (this.epoch !== hello.epoch) {
      this.seq = 0; // another process starts counting at 0
      this.states.clear();
    }
    this.hello = hello;
    this.epoch = hello.epoch;
  }

  /** @param {Message} m
   * @param {Change} change */
  replace(m, change) {
    const topic = m.topic ?? "";
    const before = this.objects(topic);
    const after = new Map();
    for (const o of m.objects ?? []) {
      const { history, ...object } = o;
      const id = idOf(topic, object);
      after.set(id, object);
      change.ids.add(id);
      if (topic === "stat") this.begin(id, object, history, m.time ?? 0);
    }
    for (const id of before.keys()) {
      if (after.has(id)) continue;
      change.ids.add(id);
      this.series.delete(id);
    }
    this.topics.set(topic, after);
    change.topics.add(topic);
  }

  /** Makes the object of the topic cluster of its parts. Its nodes and resources that have not changed
   * are the same objects as before.
   * @param {Message} m
   * @param {Change} change */
  join(m, change) {
    if (m.type === "state") {
      this.parts = new Map();
      change.topics.add("cluster");
    }
    for (const o of m.objects ?? m.changed ?? []) this.parts.set(o.id, o);
    for (const id of m.removed ?? []) this.parts.delete(id);
    const known = this.objects("cluster"), state = this.parts.get("state"), order = this.parts.get("order");
    if (this.parts.size === 0) {
      if (known.delete("cluster")) change.topics.add("cluster");
      change.ids.add("cluster");
      return;
    }
    const nodes = (order?.nodes ?? []).map((/** @type {string} */ name) => this.parts.get("node/" + name)?.node);
    const resources = (order?.resources ?? []).map((/** @type {string} */ id) => this.parts.get("resource/" + id)?.resource);
    if (!state || !order || nodes.includes(undefined) || resources.includes(undefined)) return; // a large state goes on
    if (!known.has("cluster")) change.topics.add("cluster");
    known.set("cluster", { id: "cluster", ...state.cluster, nodes, resources });
    change.ids.add("cluster");
  }

  /** @param {string} id
   * @param {any} object
   * @param {import("./types.js").History|undefined} history
   * @param {number} time */
  begin(id, object, history, time) {
    const series = new Series(history?.interval ?? this.hello?.interval ?? 1000, this.hello?.history ?? 300);
    if (history) series.load(history);
    else series.push(time, valuesOf(object));
    this.series.set(id, series);
  }

  /** @param {Message} m
   * @param {Change} change */
  merge(m, change) {
    const topic = m.topic ?? "";
    const objects = this.objects(topic);
    for (const o of m.changed ?? []) {
      const id = idOf(topic, o);
      const known = objects.get(id);
      if (!known) change.topics.add(topic);
      if (topic !== "stat") {
        objects.set(id, o);
      } else {
        const { history, ...fields } = o;
        const object = fields.type || !known ? fields : mergeFields(known, fields);
        objects.set(id, object);
        const series = this.series.get(id);
        if (series) series.push(m.time ?? 0, valuesOf(object));
        else this.begin(id, object, history, m.time ?? 0);
      }
      change.ids.add(id);
    }
    for (const id of m.removed ?? []) {
      if (!objects.delete(id)) continue;
      this.series.delete(id);
      change.ids.add(id);
      change.topics.add(topic);
    }
    if (topic === "activity") forget(objects, change);
  }
}

/** A delta of stat contains single fields, also of nested objects.
 * @param {any} known
 * @param {any} fields */
function mergeFields(known, fields) {
  const object = { ...known, ...fields };
  for (const name of Object.keys(fields)) {
    if (isObject(fields[name]) && isObject(known[name])) object[name] = { ...known[name], ...fields[name] };
  }
  return object;
}

/** @param {any} value */
function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** @param {string} topic
 * @param {any} object
 * @returns {string} */
function idOf(topic, object) {
  return topic === "activity" ? "event/" + object.seq : object.id;
}

/** Drops the oldest events.
 * @param {Map<string, any>} events
 * @param {Change} change */
function forget(events, change) {
  for (const id of events.keys()) {
    if (events.size <= maxEvents) return;
    events.delete(id);
    change.ids.add(id);
  }
}
