import type { OpLogRow } from './op-log-rows.js'

/**
 * Rows in the order of their starts. Logs have them in the order of their ends, so a row is late by as many rows as ended while it ran:
 * so many are held back. One that comes later still goes out at once.
 */
export async function* inOrderOfStart(rows: AsyncIterable<OpLogRow> | Iterable<OpLogRow>, held: number): AsyncGenerator<OpLogRow, void, undefined> {
  const heap: OpLogRow[] = []
  for await (const row of rows) {
    push(heap, row)
    if (heap.length > held) yield pop(heap)
  }
  while (heap.length > 0) yield pop(heap)
}

const before = (a: OpLogRow, b: OpLogRow): boolean => a.start < b.start || (a.start === b.start && a.index < b.index)

function push(heap: OpLogRow[], row: OpLogRow): void {
  let at = heap.length
  heap.push(row)
  while (at > 0) {
    const above = (at - 1) >> 1
    const parent = heap[above] as OpLogRow
    if (before(parent, row)) break
    heap[at] = parent
    at = above
  }
  heap[at] = row
}

/** The first of a heap that is not empty. */
function pop(heap: OpLogRow[]): OpLogRow {
  const first = heap[0] as OpLogRow
  const last = heap.pop() as OpLogRow
  if (heap.length === 0) return first
  let at = 0
  for (let child = 1; child < heap.length; child = 2 * at + 1) {
    if (child + 1 < heap.length && before(heap[child + 1] as OpLogRow, heap[child] as OpLogRow)) child++
    const below = heap[child] as OpLogRow
    if (before(last, below)) break
    heap[at] = below
    at = child
  }
  heap[at] = last
  return first
}
