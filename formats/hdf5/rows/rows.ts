import type { Access } from '../access.js'

/** The values of a dataset, row by row, as the bytes of the file. */
export interface Rows {
  /** How many rows from a multiple of it on cost no more than one. */
  readonly blockRows: number
  /** Puts the rows `[start, start + count)` into `into`, which has room for just those. */
  read(access: Access, start: number, count: number, into: Uint8Array): Promise<void>
}

/** A value of `pattern.length` bytes, over and over. */
export function fillWith(pattern: Uint8Array, into: Uint8Array): void {
  if (pattern.every(byte => byte === pattern[0])) {
    into.fill(pattern[0] ?? 0)
    return
  }
  into.set(pattern.subarray(0, into.length))
  for (let filled = pattern.length; filled < into.length; filled *= 2) into.copyWithin(filled, 0, Math.min(filled, into.length - filled))
}
