// Syntax highlighting of haproxy.cfg: each line becomes pieces with a kind. Pure.

/** @typedef {{kind: string, text: string}} Piece kind: "" for plain text */

const sections = /^(global|defaults|frontend|backend|listen|userlist|peers|resolvers|mailers|cache|program|http-errors|ring)\b/;

const statements = /^(node|rsc_template|primitive|bundle|group|ms|clone|tag|location|colocation|order|rsc_ticket|fencing_topology|property|rsc_defaults|op_defaults|role|acl_target|acl_group|alert|xml)\b/;

/** Divides a line in the syntax of crmsh, where # begins no comment.
 * @param {string} line
 * @returns {Piece[]} */
export function highlightCRM(line) {
  return code(line, statements);
}

/** XML as it is.
 * @param {string} line
 * @returns {Piece[]} */
export function plain(line) {
  return [{ kind: "", text: line }];
}

/** Divides a line into pieces. Joined, they are the line.
 * @param {string} line
 * @returns {Piece[]} */
export function highlight(line) {
  const comment = outsideQuotes(line, "#");
  if (comment >= 0) return [...code(line.slice(0, comment)), { kind: "comment", text: line.slice(comment) }];
  return code(line);
}

/** @param {string} line
 * @param {RegExp} [beginnings] the words that begin a section
 * @returns {Piece[]} */
function code(line, beginnings = sections) {
  const section = beginnings.exec(line);
  if (section) return [{ kind: "section", text: section[0] }, ...rest(line.slice(section[0].length), "name")];
  const keyword = /^(\s+)([a-z0-9_.-]+)/.exec(line);
  if (!keyword) return rest(line, "");
  return [{ kind: "", text: keyword[1] }, { kind: "keyword", text: keyword[2] }, ...rest(line.slice(keyword[0].length), "")];
}

/** @param {string} text
 * @param {string} kind of text that matches nothing else
 * @returns {Piece[]} */
function rest(text, kind) {
  /** @type {Piece[]} */
  const out = [];
  const token = /("(?:[^"\\]|\\.)*"|'[^']*')|(\[?[0-9a-fA-F:.*]*\]?:\d+\b)|(\b\d+(?:ms|s|m|h|d|us)?\b)|(\s+)|([^\s"']+)/g;
  for (const m of text.matchAll(token)) {
    const of = m[1] ? "string" : m[2] ? "address" : m[3] && m[0] === wordAt(text, m.index) ? "number" : m[4] ? "" : /^(if|unless|or|\|\||!.*|\{|\})$/.test(m[0]) ? "logic" : kind;
    const last = out[out.length - 1];
    if (last && last.kind === of) last.text += m[0];
    else out.push({ kind: of, text: m[0] });
  }
  return out;
}

/** The word that begins at an index.
 * @param {string} text
 * @param {number} at */
function wordAt(text, at) {
  if (at > 0 && !/\s/.test(text[at - 1])) return "";
  return /^\S*/.exec(text.slice(at))?.[0] ?? "";
}

/** The index of a character outside quotes; -1: there is none.
 * @param {string} line
 * @param {string} character */
function outsideQuotes(line, character) {
  let quote = "";
  for (let i = 0; i < line.length; i++) {
    const c = line[i];
    if (quote) {
      if (c === "\\" && quote === '"') i++;
      else if (c === quote) quote = "";
    } else if (c === "\\") i++;
    else if (c === '"' || c === "'") quote = c;
    else if (c === character) return i;
  }
  return -1;
}
