// Differences between two texts, line by line. Pure.

/** @typedef {{kind: "same"|"added"|"removed", text: string, before: number, after: number}} Line
 * before, after: the number of the line in each text, 0 if it is missing there */

/** The shortest edit script (Myers, O((n+m)·d)), or a plain replacement if the texts
 * have almost nothing in common.
 * @param {string} before
 * @param {string} after
 * @returns {Line[]} */
export function diff(before, after) {
  const a = lines(before);
  const b = lines(after);
  let head = 0;
  while (head < a.length && head < b.length && a[head] === b[head]) head++;
  let tail = 0;
  while (tail < a.length - head && tail < b.length - head && a[a.length - 1 - tail] === b[b.length - 1 - tail]) tail++;
  const middle = script(a.slice(head, a.length - tail), b.slice(head, b.length - tail));
  const kinds = [...Array(head).fill("same"), ...middle, ...Array(tail).fill("same")];
  let i = 0;
  let j = 0;
  return kinds.map((kind) => {
    const text = kind === "added" ? b[j] : a[i];
    const line = { kind, text, before: kind === "added" ? 0 : i + 1, after: kind === "removed" ? 0 : j + 1 };
    if (kind !== "added") i++;
    if (kind !== "removed") j++;
    return line;
  });
}

/** @param {string} text */
function lines(text) {
  const all = text.split("\n");
  if (all[all.length - 1] === "") all.pop();
  return all;
}

/** @param {string[]} a
 * @param {string[]} b
 * @returns {Line["kind"][]} */
function script(a, b) {
  const most = Math.min(a.length + b.length, 2000);
  let v = new Map([[1, 0]]);
  const steps = [];
  for (let d = 0; d <= most; d++) {
    steps.push(new Map(v));
    for (let k = -d; k <= d; k += 2) {
      const down = k === -d || (k !== d && (v.get(k - 1) ?? -1) < (v.get(k + 1) ?? -1));
      let x = down ? (v.get(k + 1) ?? 0) : (v.get(k - 1) ?? 0) + 1;
      while (x < a.length && x - k < b.length && a[x] === b[x - k]) x++;
      v.set(k, x);
      if (x >= a.length && x - k >= b.length) return walk(steps, a.length, b.length);
    }
  }
  return [...Array(a.length).fill("removed"), ...Array(b.length).fill("added")];
}

/** Walks back through the steps.
 * @param {Map<number, number>[]} steps
 * @param {number} x
 * @param {number} y
 * @returns {Line["kind"][]} */
function walk(steps, x, y) {
  /** @type {Line["kind"][]} */
  const out = [];
  for (let d = steps.length - 1; d >= 0; d--) {
    const v = steps[d];
    const k = x - y;
    const down = k === -d || (k !== d && (v.get(k - 1) ?? -1) < (v.get(k + 1) ?? -1));
    const from = down ? k + 1 : k - 1;
    const fromX = d === 0 ? 0 : (v.get(from) ?? 0);
    const fromY = d === 0 ? 0 : fromX - from;
    while (x > fromX && y > fromY) {
      out.push("same");
      x--;
      y--;
    }
    if (d > 0) out.push(down ? "added" : "removed");
    x = fromX;
    y = fromY;
  }
  return out.reverse();
}

/** The changed lines with their context; null stands for lines left out.
 * @param {Line[]} all
 * @param {number} around
 * @returns {(Line|null)[]} */
export function hunks(all, around) {
  const keep = new Set();
  all.forEach((line, i) => {
    if (line.kind === "same") return;
    for (let j = i - around; j <= i + around; j++) keep.add(j);
  });
  /** @type {(Line|null)[]} */
  const out = [];
  all.forEach((line, i) => {
    if (keep.has(i)) out.push(line);
    else if (out.length === 0 || out[out.length - 1] !== null) out.push(null);
  });
  return out;
}

/** The lines of a difference in the unified format; null stands for lines left out.
 * @param {string} text
 * @returns {(Line|null)[]} */
export function unified(text) {
  /** @type {(Line|null)[]} */
  const out = [];
  let before = 0;
  let after = 0;
  for (const line of lines(text)) {
    const hunk = /^@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@/.exec(line);
    if (hunk) {
      [before, after] = [Number(hunk[1]), Number(hunk[2])];
      out.push(null);
      continue;
    }
    if (out.length === 0 || line.startsWith("\\")) continue; // the names of the files, or "no newline"
    const kind = line[0] === "+" ? "added" : line[0] === "-" ? "removed" : "same";
    out.push({ kind, text: line.slice(1), before: kind === "added" ? 0 : before, after: kind === "removed" ? 0 : after });
    if (kind !== "added") before++;
    if (kind !== "removed") after++;
  }
  return out;
}
