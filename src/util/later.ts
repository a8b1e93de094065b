/** Runs a function once the event loop has had its turn, as soon as the platform can; returns how to call it off. */
export function later(run: () => void): () => void {
  if (typeof setImmediate === 'function') {
    const handle = setImmediate(run)
    return () => clearImmediate(handle)
  }
  const handle = setTimeout(run, 0)
  return () => clearTimeout(handle)
}
