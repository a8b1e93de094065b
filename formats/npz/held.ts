import { widthOf, type NdArray } from '../../src/format.js'
import { allocateColumns, type ArrayReader } from '../npy/array.js'
import { product } from '../npy/sizes.js'

/**
 * An array that is read whole when the first row of it is asked for, and kept: a small one, or a deflated one in Fortran order, whose first
 * row ends with the last bytes. `lifetime` ends the reading; the signals of single reads do not, for others may wait for it too.
 */
export function heldArray(array: ArrayReader, lifetime: AbortSignal): ArrayReader {
  let loading: Promise<readonly NdArray[]> | undefined

  async function load(): Promise<readonly NdArray[]> {
    const columns = allocateColumns(array.columns, array.rows)
    await array.read(0, array.rows, columns, 0, lifetime)
    return columns
  }

  return {
    ...array,
    fortran: false,
    region: { ...array.region, ordered: false },
    async read(start, count, into, at, signal) {
      loading ??= load().catch((error: unknown) => {
        loading = undefined
        throw error
      })
      const columns = await unlessAborted(loading, signal)
      columns.forEach(({ dtype, data }, k) => {
        const size = product(array.columns[k]?.spec.shape ?? []) * widthOf(dtype)
        const target = (into[k] as NdArray).data
        if (Array.isArray(data)) {
          for (let i = 0; i < count * size; i++) (target as string[])[at * size + i] = (data as readonly string[])[start * size + i] as string
        } else {
          ;(target as Uint8Array).set((data as Uint8Array).subarray(start * size, (start + count) * size), at * size)
        }
      })
    }
  }
}

/** The promise, or the reason of the signal if that comes first. */
function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason)
    if (signal.aborted) abort()
    signal.addEventListener('abort', abort, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  })
}
