import { isMillraceError, type Shape } from '../../src/format.js'
import { MAGIC } from './detect.js'
import { axesShape, parseItem, type Item, type Strings } from './item.js'
import { parseLiteral, type Dict, type Literal } from './literal.js'
import { fault, type Region } from './region.js'
import { product } from './sizes.js'
import { latin1 } from './strings.js'

/** What the header of an array says. */
export interface Header {
  readonly version: string
  /** As it stands there. */
  readonly text: string
  readonly item: Item
  readonly shape: Shape
  /** True when the first axis is the fastest. */
  readonly fortranOrder: boolean
  /** Where the items begin in the region. */
  readonly dataOffset: number
  /** Bytes of all items. */
  readonly dataBytes: number
}

/** Longer headers are refused: room for 100,000 fields. */
const LARGEST_HEADER = 2 ** 24
/** That is NumPy's limit. */
const MOST_AXES = 64
const MOST_UNBACKED = 2 ** 20
const KEYS = ['descr', 'fortran_order', 'shape']

/**
 * Reads the header of the array in `region`, whose first bytes are `head` (as many as there are, or at least one), and checks that the
 * region is as long as the header says.
 * @throws MillraceError `Corrupt`, `Truncated`, `Unsupported` or `Limit`
 */
export async function readHeader(region: Region, head: Uint8Array, strings: Strings, signal: AbortSignal): Promise<Header> {
  let known = head
  const atLeast = async (count: number): Promise<void> => {
    if (count > region.byteLength) throw fault('Truncated', region, region.byteLength, `it ends inside the NPY header. ${COPY_AGAIN}`)
    if (count <= known.length) return
    const more = new Uint8Array(count)
    more.set(known)
    await region.read(known.length, more.subarray(known.length), signal)
    known = more
  }
  if (MAGIC.some((byte, i) => i < known.length && known[i] !== byte)) throw fault('Corrupt', region, 0, notNpy(known))
  await atLeast(8)
  if (MAGIC.some((byte, i) => known[i] !== byte)) throw fault('Corrupt', region, 0, notNpy(known))
  const [major = 0, minor = 0] = known.subarray(6)
  if (major < 1 || major > 3 || minor !== 0) {
    throw fault('Unsupported', region, 6, `version ${major}.${minor} of NPY; versions 1.0, 2.0 and 3.0 are read. Save it with a version of NumPy that is known`)
  }
  const textStart = major === 1 ? 10 : 12
  await atLeast(textStart)
  const view = new DataView(known.buffer, known.byteOffset)
  const textBytes = major === 1 ? view.getUint16(8, true) : view.getUint32(8, true)
  const dataOffset = textStart + textBytes
  if (dataOffset > region.byteLength) {
    throw fault('Truncated', region, region.byteLength, `the header of ${textBytes} bytes goes beyond the end. ${COPY_AGAIN}`)
  }
  if (textBytes > LARGEST_HEADER) throw fault('Limit', region, 8, `the header takes ${textBytes} bytes; ${LARGEST_HEADER} are read. Save the array with fewer fields`)
  await atLeast(dataOffset)
  const bytes = known.subarray(textStart, dataOffset)
  const text = major === 3 ? utf8(region, textStart, bytes) : latin1(bytes)
  const offsetOf = (at: number): number => textStart + (major === 3 ? new TextEncoder().encode(text.slice(0, at)).length : at)
  const value = parseLiteral(text, (at, what) => {
    throw fault('Corrupt', region, offsetOf(at), `the header is no Python literal: ${what}. ${RESTORE}`)
  })
  const entries = entriesOf(region, textStart, value)
  const shape = shapeOf(region, textStart, entries.get('shape'))
  const fortranOrder = entries.get('fortran_order')
  if (typeof fortranOrder !== 'boolean') throw fault('Corrupt', region, textStart, `fortran_order is neither True nor False. ${RESTORE}`)
  const item = itemOf(region, textStart, entries.get('descr') as Literal, strings)
  const dataBytes = sizeOf(region, textStart, shape, item)
  checkLength(region, dataOffset, dataBytes, shape)
  return { version: `${major}.${minor}`, text: text.trimEnd(), item, shape, fortranOrder, dataOffset, dataBytes }
}

const COPY_AGAIN = 'The writer or a copy of the file was cut off: write or copy it again'
const RESTORE = 'Restore the file from its source'

function notNpy(head: Uint8Array): string {
  const [a, b, c] = head
  const looks = a === 0x1f && b === 0x8b ? 'It looks like gzip: decompress it first'
    : a === 0x50 && b === 0x4b ? 'It looks like a ZIP archive: read it as NPZ'
    : a === 0x80 && (c === undefined || b === 2 || b === 3 || b === 4 || b === 5) ? 'It looks like a Python pickle: load it in Python and save it with np.save'
    : RESTORE
  return `this is no NPY file: it does not begin with \\x93NUMPY. ${looks}`
}

function entriesOf(region: Region, offset: number, value: Literal): Dict['entries'] {
  if (typeof value !== 'object' || value?.type !== 'dict') throw fault('Corrupt', region, offset, `the header is no dict. ${RESTORE}`)
  const missing = KEYS.filter((key) => !value.entries.has(key))
  const others = [...value.entries.keys()].filter((key) => !KEYS.includes(key))
  if (missing.length > 0) throw fault('Corrupt', region, offset, `the header says nothing of ${missing.join(', ')}. ${RESTORE}`)
  if (others.length > 0) throw fault('Corrupt', region, offset, `the header has the key ${JSON.stringify(others[0]?.slice(0, 60))}, which NPY does not know. ${RESTORE}`)
  return value.entries
}

function shapeOf(region: Region, offset: number, value: Literal | undefined): Shape {
  const lengths = typeof value === 'object' && value?.type === 'tuple' ? value.items : undefined
  if (lengths === undefined || !lengths.every((length): length is number => typeof length === 'number' && length >= 0)) {
    throw fault('Corrupt', region, offset, `the shape in the header is no tuple of lengths. ${RESTORE}`)
  }
  if (lengths.length > MOST_AXES) throw fault('Corrupt', region, offset, `the shape in the header has ${lengths.length} axes; NumPy knows ${MOST_AXES}. ${RESTORE}`)
  return Object.freeze(lengths.slice())
}

function itemOf(region: Region, offset: number, descr: Literal, strings: Strings): Item {
  try {
    return parseItem(descr, strings)
  } catch (error) {
    if (!isMillraceError(error)) throw error
    throw fault(error.kind, region, offset, error.message)
  }
}

/** Bytes of all items. No product of lengths may lose a digit, not even that of an array with nothing in it. */
function sizeOf(region: Region, offset: number, shape: Shape, item: Item): number {
  const exact = (lengths: Shape, bytes: number): boolean => Number.isSafeInteger(product([...lengths, bytes].map((length) => Math.max(1, length))))
  const dataBytes = product(shape) * item.bytes
  // Rows and strings without a byte in the file would take memory here that nothing else bounds.
  let unbacked = dataBytes === 0 ? shape[0] ?? 1 : 0
  for (const leaf of item.leaves) {
    const values = [...shape, ...axesShape(leaf)]
    if (!exact(values, leaf.bytes) || !exact(shape, item.bytes)) {
      throw fault('Corrupt', region, offset, `an array of shape (${shape.join(', ')}) is too large to be. ${RESTORE}`)
    }
    if (leaf.bytes === 0) unbacked = Math.max(unbacked, product(values))
  }
  if (unbacked > MOST_UNBACKED) throw fault('Limit', region, offset, `the array has ${unbacked} rows or strings that take no bytes in the file; ${MOST_UNBACKED} are read`)
  return dataBytes
}

function checkLength(region: Region, dataOffset: number, dataBytes: number, shape: Shape): void {
  const there = region.byteLength - dataOffset
  const says = `the shape (${shape.join(', ')}) takes ${dataBytes} bytes of data`
  if (there < dataBytes) throw fault('Truncated', region, region.byteLength, `${says}, and there are ${there}. ${COPY_AGAIN}`)
  if (there > dataBytes) {
    throw fault('Corrupt', region, dataOffset + dataBytes, `${says}, and there are ${there}. NumPy ignores what is behind an array: `
      + 'if several were saved into one file, save them with np.savez; else the header or the data are damaged')
  }
}

function utf8(region: Region, start: number, bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch (cause) {
    throw fault('Corrupt', region, start, `the header is no UTF-8. ${RESTORE}`, cause)
  }
}
