/**
 * Copies rows by their ordinals.
 */

/**
 * Copies row `indices[i]` of `from` to row `i` of `into`.
 *
 * @param from Rows of `rowBytes` bytes, one behind the other.
 * @param rowBytes Bytes of one row; 0 is allowed and copies nothing.
 * @param indices Ordinals of rows, in any order, also more than once.
 * @param into Has room for `indices.length` rows; no part of `from`.
 * @throws RangeError when a row does not lie in `from`, or `into` is too short. Rows before the faulty index have been copied.
 */
export function gatherRows(from: Uint8Array, rowBytes: number, indices: ArrayLike<number>, into: Uint8Array): void {
  if (!Number.isSafeInteger(rowBytes) || rowBytes < 0) throw new RangeError(`gatherRows: rowBytes must be an integer of at least 0, got ${rowBytes}`)
  if (into.length < indices.length * rowBytes) {
    throw new RangeError(`gatherRows: ${indices.length} rows of ${rowBytes} bytes do not fit in ${into.length} bytes`)
  }
  const rows = rowBytes === 0 ? Infinity : Math.floor(from.length / rowBytes)
  for (let i = 0; i < indices.length; i++) {
    const row = indices[i] as number
    if (!(row >= 0 && row < rows && Number.isInteger(row))) throw new RangeError(`gatherRows: there is no row ${row} among ${rows}`)
    into.set(from.subarray(row * rowBytes, (row + 1) * rowBytes), i * rowBytes)
  }
}
