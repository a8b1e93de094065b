import type { Access } from '../access.js'
import { unsupported } from '../faults.js'
import { fieldsOf, UNDEFINED, type Fields } from '../fields.js'
import type { Message } from '../object-header.js'

/** Where the values of a dataset are. Addresses may be `UNDEFINED`: then nothing was written yet. */
export type Layout =
  | { readonly kind: 'compact'; readonly data: Uint8Array; readonly address: number }
  | { readonly kind: 'contiguous'; readonly address: number; readonly size: number | undefined }
  | ChunkedLayout

/** Values in chunks of one shape. */
export interface ChunkedLayout {
  readonly kind: 'chunked'
  readonly chunkShape: readonly number[]
  /** Bytes of one value. */
  readonly elementBytes: number
  readonly index: IndexLayout
  /** True when chunks that reach beyond the edge are not filtered. */
  readonly unfilteredEdges: boolean
}

/** How the chunks are found. */
export interface IndexLayout {
  readonly kind: 'tree' | 'single' | 'implicit' | 'fixed-array' | 'extensible-array' | 'tree2'
  readonly address: number
  /** Of the single chunk, when it is filtered. */
  readonly stored?: { readonly size: number; readonly mask: number }
}

const INDEXES: readonly (IndexLayout['kind'] | undefined)[] = [undefined, 'single', 'implicit', 'fixed-array', 'extensible-array', 'tree2']

/** Bytes of the parameters of each index, which its own header has too. */
const PARAMETER_BYTES: Readonly<Record<IndexLayout['kind'], number>> = {
  tree: 0, single: 0, implicit: 0, 'fixed-array': 1, 'extensible-array': 5, tree2: 6
}

/** Reads a data layout message (specification §IV.A.2.i). */
export function readLayout(access: Access, message: Message): Layout {
  const fields = fieldsOf(access, message.body, message.address, 'a data layout')
  const version = fields.expect([1, 2, 3, 4, 5], 'version')
  if (version < 3) return oldLayout(access, fields, message)
  const kind = fields.u8()
  switch (kind) {
    case 0: return compact(fields, fields.u16(), message)
    case 1: return { kind: 'contiguous', address: fields.address(), size: fields.length() }
    case 2: return version === 3 ? chunked3(fields) : chunked4(fields)
    case 3: throw unsupported(access.place(message.address), 'a virtual dataset is put together from others')
    default: throw unsupported(access.place(message.address), `data layout ${kind} is not known`)
  }
}

function compact(fields: Fields, size: number, message: Message): Layout {
  return { kind: 'compact', data: fields.bytes(size), address: message.address + fields.at - size }
}

function oldLayout(access: Access, fields: Fields, message: Message): Layout {
  const rank = fields.u8()
  const kind = fields.u8()
  if (kind > 2) throw unsupported(access.place(message.address), `data layout ${kind} is not known`)
  fields.skip(5)
  const address = kind === 0 ? UNDEFINED : fields.address()
  const shape = Array.from({ length: rank }, () => fields.u32())
  if (kind === 0) return compact(fields, fields.u32(), message)
  if (kind === 1) return { kind: 'contiguous', address, size: undefined }
  return chunked(fields, shape, { kind: 'tree', address }, false)
}

function chunked3(fields: Fields): Layout {
  const rank = fields.u8()
  const address = fields.address()
  const shape = Array.from({ length: rank }, () => fields.u32())
  return chunked(fields, shape, { kind: 'tree', address }, false)
}

function chunked4(fields: Fields): Layout {
  const flags = fields.u8()
  const rank = fields.u8()
  const bytes = fields.u8()
  if (bytes < 1 || bytes > 8) throw fields.corrupt(`lengths of ${bytes} bytes are not possible`)
  const shape = Array.from({ length: rank }, () => fields.uint(bytes))
  const kind = INDEXES[fields.u8()]
  if (kind === undefined) throw fields.corrupt('this way to find chunks is not known')
  const stored = kind === 'single' && (flags & 2) !== 0 ? { size: fields.length(), mask: fields.u32() } : undefined
  fields.skip(PARAMETER_BYTES[kind])
  const index = { kind, address: fields.address(), ...(stored === undefined ? {} : { stored }) }
  return chunked(fields, shape, index, (flags & 1) !== 0)
}

/** The last axis of a chunk, as it is stored, are the bytes of a value. */
function chunked(fields: Fields, stored: readonly number[], index: IndexLayout, unfilteredEdges: boolean): ChunkedLayout {
  if (stored.length < 2 || stored.length > 33) throw fields.corrupt(`chunks of ${stored.length - 1} axes are not possible`)
  if (stored.includes(0) || !Number.isSafeInteger(stored.reduce((product, length) => product * length, 1))) {
    throw fields.corrupt(`chunks of [${stored.join(', ')}] are not possible`)
  }
  return { kind: 'chunked', chunkShape: stored.slice(0, -1), elementBytes: stored.at(-1) ?? 0, index, unfilteredEdges }
}
