import { corrupt, truncated } from '../faults.js'
import type { Access } from '../access.js'
import { UNDEFINED } from '../fields.js'
import type { Layout } from '../messages/layout.js'
import { fillWith, type Rows } from './rows.js'

/** Values that stand one behind the other: each range of rows is one read, straight to where it belongs. */
export function contiguousRows(
  access: Access, layout: Exclude<Layout, { kind: 'chunked' }>, rows: number, rowBytes: number, fillValue: Uint8Array
): Rows {
  const needed = rows * rowBytes
  if (layout.kind === 'compact') {
    if (layout.data.length < needed) throw corrupt(access.place(layout.address), `its values take ${needed} bytes, and ${layout.data.length} are stored`)
    return {
      blockRows: 1,
      async read(_, start, count, into) {
        into.set(layout.data.subarray(start * rowBytes, (start + count) * rowBytes))
      }
    }
  }
  const { address, size } = layout
  if (address === UNDEFINED) {
    return {
      blockRows: 1,
      async read(_, __, ___, into) {
        fillWith(fillValue, into)
      }
    }
  }
  if (size !== undefined && size < needed) throw corrupt(access.place(address), `its values take ${needed} bytes, and ${size} are stored`)
  const begin = access.base + address
  if (begin + needed > access.source.byteLength) {
    throw truncated(access.place(address), `its values take ${needed} bytes, and the file ends after ${Math.max(0, access.source.byteLength - begin)} of them`)
  }
  return {
    blockRows: 1,
    async read({ source, signal }, start, count, into) {
      if (into.length > 0) await source.read(begin + start * rowBytes, into, { signal })
    }
  }
}
