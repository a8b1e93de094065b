import type { Shape } from '../../src/format.js'

/** Bytes that are decoded at once where they cannot be read straight into a column. */
export const PIECE_BYTES = 2 ** 20

/** Number of values of an array of that shape. */
export function product(shape: Shape): number {
  return shape.reduce((size, length) => size * length, 1)
}
