/**
 * CRC-32, as ZIP uses it (the polynomial of ISO 3309): zlib's where there is one, else eight tables.
 */

/** The CRC-32 of `bytes`, or of what had the CRC `before` and `bytes` behind it. */
export function crc32(bytes: Uint8Array, before = 0): number {
  return native === undefined ? crc32Twin(bytes, before) : native(bytes, before)
}

const host = globalThis.process as { getBuiltinModule?: (name: string) => unknown } | undefined
const native = (host?.getBuiltinModule?.('node:zlib') as { readonly crc32?: (bytes: Uint8Array, before: number) => number } | undefined)?.crc32

/** Eight bytes at a time: the table of a byte knows what the bytes behind it make of it. */
export function crc32Twin(bytes: Uint8Array, before = 0): number {
  const tables = (TABLES ??= makeTables())
  const [t0, t1, t2, t3, t4, t5, t6, t7] = tables as [Int32Array, Int32Array, Int32Array, Int32Array, Int32Array, Int32Array, Int32Array, Int32Array]
  const at = (table: Int32Array, index: number): number => table[index & 0xff] as number
  let crc = ~before
  let i = 0
  for (; i + 8 <= bytes.length; i += 8) {
    const low = crc ^ ((bytes[i] as number) | ((bytes[i + 1] as number) << 8) | ((bytes[i + 2] as number) << 16) | ((bytes[i + 3] as number) << 24))
    crc = at(t7, low) ^ at(t6, low >>> 8) ^ at(t5, low >>> 16) ^ at(t4, low >>> 24)
      ^ at(t3, bytes[i + 4] as number) ^ at(t2, bytes[i + 5] as number) ^ at(t1, bytes[i + 6] as number) ^ at(t0, bytes[i + 7] as number)
  }
  for (; i < bytes.length; i++) crc = (crc >>> 8) ^ at(t0, crc ^ (bytes[i] as number))
  return ~crc >>> 0
}

let TABLES: Int32Array[] | undefined

function makeTables(): Int32Array[] {
  const first = Int32Array.from({ length: 256 }, (_, byte) => {
    let crc = byte
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0)
    return crc
  })
  const tables = [first]
  while (tables.length < 8) {
    const last = tables[tables.length - 1] as Int32Array
    tables.push(last.map((crc) => (crc >>> 8) ^ (first[crc & 0xff] as number)))
  }
  return tables
}
