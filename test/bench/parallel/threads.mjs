/** Says so when nothing was computed on a thread: then a figure of threads is that of this thread. */
export function noteThreads(notes, name, results) {
  if (results.some(({ threadMs }) => threadMs === 0)) notes.push(`${name}: NO worker thread computed anything`)
}
