// Requests to the API.

import { signal } from "@preact/signals";

/** An error response, or no response at all (status 0). */
export class Failure extends Error {
  /** @param {number} status
   * @param {any} body */
  constructor(status, body) {
    super(body?.error ?? `the agent answered with status ${status}`);
    this.status = status;
    /** @type {string} */
    this.code = body?.code ?? "";
    /** @type {import("./types.js").FieldError[]} */
    this.fields = body?.fields ?? [];
    /** @type {string[]} */
    this.by = body?.by ?? [];
    /** @type {string} HAProxy's message */
    this.output = body?.output ?? "";
  }
}

/** Counts responses with status 401. */
export const refusals = signal(0);

/** Makes a request.
 * @param {string} method
 * @param {string} path
 * @param {{body?: any, file?: Blob, headers?: Record<string, string>, signal?: AbortSignal}} [o] file: sent as it is, in place of a body
 * @returns {Promise<{data: any, etag: string}>} data: JSON decoded, or text
 * @throws {Failure} */
export async function call(method, path, o = {}) {
  /** @type {Record<string, string>} */
  const headers = { Accept: "application/json", ...o.headers };
  if (o.body !== undefined) headers["Content-Type"] = "application/json";
  if (o.file) headers["Content-Type"] = "application/octet-stream";
  let response, text;
  try {
    response = await fetch(path, {
      method, headers, signal: o.signal, cache: "no-store", credentials: "same-origin",
      body: o.file ?? (o.body === undefined ? undefined : JSON.stringify(o.body)),
    });
    text = await response.text();
  } catch (e) {
    if (o.signal?.aborted) throw e;
    throw new Failure(0, { error: "no connection to the agent", code: "unreachable" });
  }
  const data = (response.headers.get("Content-Type") ?? "").includes("json") ? decoded(text) : text;
  if (response.ok) return { data, etag: response.headers.get("ETag") ?? "" };
  if (response.status === 401) refusals.value++;
  throw new Failure(response.status, typeof data === "string" ? null : data);
}

/** @param {string} text */
function decoded(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** @param {string} path
 * @param {AbortSignal} [signal] */
export async function get(path, signal) {
  return (await call("GET", path, { signal })).data;
}

/** The path of an object in the API.
 * @param {string} id e.g. "backend/live", "section/userlist/staff" or "section/global" */
export function address(id) {
  const [kind, key, name] = id.split("/");
  if (kind === "section") return name === undefined ? `/haproxy/${encodeURIComponent(key)}` : `/haproxy/sections/${encodeURIComponent(key)}/${encodeURIComponent(name)}`;
  return `/${kind}s/${encodeURIComponent(key)}`;
}
