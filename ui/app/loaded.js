// Data that a page loads from the API.

import { useEffect, useState } from "preact/hooks";

/** Loads data, and loads it again when the key changes.
 * @template T
 * @param {string|null} key null: load nothing
 * @param {(signal: AbortSignal) => Promise<T>} load
 * @returns {{data: T|null, error: any, again: () => void}} */
export function useLoaded(key, load) {
  const [result, setResult] = useState(/** @type {{key: string|null, data: T|null, error: any}} */ ({ key: null, data: null, error: null }));
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    if (key === null) return undefined;
    const stop = new AbortController();
    load(stop.signal).then(
      (data) => setResult({ key, data, error: null }),
      (error) => stop.signal.aborted || setResult({ key, data: null, error }),
    );
    return () => stop.abort();
  }, [key, turn]);
  return { data: result.data, error: result.key === key ? result.error : null, again: () => setTurn((n) => n + 1) };
}
