import { unstack } from '../array/slice.js'

/**
 * A chunk whose elements are there only stacked: an array of holes, as long as there are rows, so that positions and states
 * are counted as for any other chunk. It goes from a source to the `batch` right above it, and nowhere else.
 */
interface StackedChunk extends Array<unknown> {
  [STACKED]?: unknown
}

const STACKED = Symbol('stacked')

/** A chunk of so many rows. */
export function stackedChunk(rows: number, stacked: unknown): unknown[] {
  const chunk: StackedChunk = new Array<unknown>(rows)
  chunk[STACKED] = stacked
  return chunk
}

/** The rows of a chunk in one batch, if that is how they came. */
export function stackedOf(chunk: readonly unknown[]): unknown {
  return (chunk as StackedChunk)[STACKED]
}

/** The elements of a chunk, however they came. */
export function elementsOf(chunk: unknown[]): unknown[] {
  const stacked = stackedOf(chunk)
  return stacked === undefined ? chunk : unstack(stacked)
}
