// Raw sections as the pages show and send them. Pure.

/** @typedef {import("./types.js").FieldError} FieldError
 * @typedef {{id: string, key: string, defaults?: string, natives: string[], etag?: string}} Section
 * key: "KIND/NAME", "global" or "defaults"
 * @typedef {{kind: string, name: string, defaults: string, natives: string}} SectionDraft */

/** The lines that are added to a section of the template, as a kind of its own in the form. */
export const globalLines = "global", defaultsLines = "defaults lines";

/** What a form offers, with what it is for. The API has these kinds. */
export const kinds = /** @type {[string, string][]} */ ([
  ["cache", "cache: keeps answers"], ["crt-store", "crt-store: certificates on disk"], ["defaults", "defaults: settings that others begin with"],
  ["fcgi-app", "fcgi-app: a FastCGI application"], ["http-errors", "http-errors: error pages"], ["listen", "listen: a frontend and a backend in one"],
  ["log-forward", "log-forward: receives logs"], ["log-profile", "log-profile: formats of logs"], ["mailers", "mailers: servers for alerts by mail"],
  ["peers", "peers: who shares stick tables"], ["program", "program: a process beside HAProxy"], ["resolvers", "resolvers: name servers"], ["ring", "ring: a buffer for logs"],
  ["userlist", "userlist: users and passwords"], [globalLines, "lines for the section global"], [defaultsLines, "lines for the section defaults"],
]);

/** Whether a kind has no name, because the section is the template's own.
 * @param {string} kind */
export function isOwn(kind) {
  return kind === globalLines || kind === defaultsLines;
}

/** Whether sections of a kind may begin with other defaults.
 * @param {string} kind */
export function hasDefaults(kind) {
  return kind === "listen" || kind === "defaults";
}

/** The key of what a form describes.
 * @param {SectionDraft} d */
export function keyOf(d) {
  return d.kind === defaultsLines ? "defaults" : isOwn(d.kind) ? d.kind : `${d.kind}/${d.name.trim()}`;
}

/** @param {string} key */
export function titleOf(key) {
  return key.includes("/") ? key.replace("/", " ") : `lines for ${key}`;
}

/** The contents of a form.
 * @param {Section} [s]
 * @returns {SectionDraft} */
export function draftOf(s) {
  const [kind, name] = s ? s.key.split("/") : ["userlist", ""];
  return { kind: kind === "defaults" && name === undefined ? defaultsLines : kind, name: name ?? "", defaults: s?.defaults ?? "", natives: (s?.natives ?? []).join("\n") };
}

/** The body of a PUT.
 * @param {SectionDraft} d */
export function bodyOf(d) {
  const natives = linesOf(d.natives).map((l) => l.text);
  return { natives, ...(hasDefaults(d.kind) && d.defaults ? { defaults: d.defaults } : {}) };
}

/** The lines of a text that are sent, each with its number in the text, from 1 on.
 * @param {string} text */
function linesOf(text) {
  return text.split("\n").map((l, i) => ({ text: l.trim(), number: i + 1 })).filter((l) => l.text);
}

/** The API's errors as those of the fields of the form. What is wrong with a line says which
 * line of the text that is.
 * @param {FieldError[]} errors
 * @param {SectionDraft} d
 * @returns {FieldError[]} */
export function errorsOfForm(errors, d) {
  const sent = linesOf(d.natives);
  return errors.map((e) => {
    const at = /^natives\[(\d+)\]$/.exec(e.path);
    const line = at && sent[Number(at[1])];
    return line ? { ...e, path: "natives", problem: `line ${line.number}: ${e.problem}` } : e;
  });
}

/** Errors for which the form has no field.
 * @param {FieldError[]} errors */
export function unshownIn(errors) {
  return errors.filter((e) => !["kind", "name", "defaults", "natives"].includes(e.path));
}

/** What the form lacks.
 * @param {SectionDraft} d
 * @returns {FieldError[]} */
export function missingIn(d) {
  return isOwn(d.kind) || d.name.trim() ? [] : [{ path: "name", problem: "is missing", expected: "letters, digits and _ . : -" }];
}

/** Whether a section has a text in its kind, its name or a line.
 * @param {Section} s
 * @param {string} text */
export function hasText(s, text) {
  const all = [s.key, titleOf(s.key), s.defaults ?? "", ...s.natives].join("\n").toLowerCase();
  return text.toLowerCase().split(/\s+/).every((word) => all.includes(word));
}

/** What is in effect with what a draft makes of it, sorted by key.
 * @param {Section[]} live
 * @param {Section[]|null} drafted null: no draft is edited
 * @returns {{section: Section, mark: ""|"created"|"changed"|"deleted"}[]} */
export function merged(live, drafted) {
  const before = new Map(live.map((s) => [s.key, s]));
  if (!drafted) return sorted(live.map((section) => ({ section, mark: /** @type {""} */ ("") })));
  const after = new Map(drafted.map((s) => [s.key, s]));
  const text = (/** @type {Section} */ s) => JSON.stringify([s.defaults ?? "", s.natives]);
  return sorted([
    ...drafted.map((section) => {
      const was = before.get(section.key);
      return { section, mark: /** @type {""|"created"|"changed"} */ (!was ? "created" : text(was) === text(section) ? "" : "changed") };
    }),
    ...live.filter((s) => !after.has(s.key)).map((section) => ({ section, mark: /** @type {"deleted"} */ ("deleted") })),
  ]);
}

/** @template {{section: Section}} T
 * @param {T[]} list */
function sorted(list) {
  return list.sort((a, b) => (a.section.key < b.section.key ? -1 : 1));
}
