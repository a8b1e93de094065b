/**
 * Copies rows by their ordinals. Plain TypeScript: the source is not in the memory of a WebAssembly kernel, and copying all of it
 * there costs more than a kernel could save. Long rows move by `set`, which is a memory copy behind about 60 ns per row; short
 * rows move word by word, at 0.2 to 1 ns per byte instead.
 */

/**
 * Copies row `indices[i]` of `from` to row `i` of `into`.
 *
 * @param from Rows of `rowBytes` bytes, one behind the other.
 * @param rowBytes Bytes of one row; 0 is allowed and copies nothing.
 * @param indices Ordinals of rows, in any order, also more than once.
 * @param into Has room for `indices.length` rows; no part of `from`. What is behind them stays as it is.
 * @throws RangeError when a row does not lie in `from`, or `into` is too short; nothing has been copied then.
 */
export function gatherRows(from: Uint8Array, rowBytes: number, indices: ArrayLike<number>, into: Uint8Array): void {
  if (!Number.isSafeInteger(rowBytes) || rowBytes < 0) {
    throw new RangeError(`gatherRows: rowBytes must be an integer of at least 0, got ${rowBytes}`)
  }
  if (into.length < indices.length * rowBytes) {
    throw new RangeError(`gatherRows: ${indices.length} rows of ${rowBytes} bytes do not fit in ${into.length} bytes`)
  }
  const rows = rowBytes === 0 ? Infinity : Math.floor(from.length / rowBytes)
  for (let i = 0; i < indices.length; i++) {
    const row = indices[i] as number
    if (!(Number.isInteger(row) && row >= 0 && row < rows)) {
      throw new RangeError(`gatherRows: there is no row ${row} among ${rows}`)
    }
  }
  const words = (from.byteOffset | into.byteOffset | rowBytes) % 4 === 0
  const units = words ? rowBytes / 4 : rowBytes
  if (units > UNITS) gatherLong(from, rowBytes, indices, into)
  else if (words) gatherShort(int32Of(from), units, indices, int32Of(into))
  else gatherShort(from, units, indices, into)
}

/** Rows of more bytes or words than this are copied faster by `set` (measured). */
const UNITS = 32

function gatherLong(from: Uint8Array, rowBytes: number, indices: ArrayLike<number>, into: Uint8Array): void {
  for (let i = 0; i < indices.length; i++) {
    const start = (indices[i] as number) * rowBytes
    into.set(from.subarray(start, start + rowBytes), i * rowBytes)
  }
}

function gatherShort<A extends Uint8Array | Int32Array>(from: A, width: number, indices: ArrayLike<number>, into: A): void {
  for (let i = 0, to = 0; i < indices.length; i++) {
    let at = (indices[i] as number) * width
    for (const end = at + width; at < end; at++, to++) into[to] = from[at] as number
  }
}

const int32Of = (bytes: Uint8Array): Int32Array => new Int32Array(bytes.buffer, bytes.byteOffset, Math.floor(bytes.length / 4))
