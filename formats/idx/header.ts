import { MillraceError, type ErrorKind } from '../../src/format.js'

/** What the values of an IDX file can be. All are big-endian. */
export type IdxDType = 'uint8' | 'int8' | 'int16' | 'int32' | 'float32' | 'float64'

/** What the first bytes of an IDX file say. */
export interface IdxHeader {
  readonly dtype: IdxDType
  /** Bytes of one value. */
  readonly itemBytes: number
  /** Slowest axis first; that of the rows is the first. */
  readonly shape: readonly number[]
  /** Bytes before the data. */
  readonly headerBytes: number
  /** Bytes of the data; above 2^53 not exact. */
  readonly dataBytes: number
}

/** By the third byte of the file. */
const TYPES: { readonly [code: number]: readonly [dtype: IdxDType, itemBytes: number] } = {
  0x08: ['uint8', 1], 0x09: ['int8', 1], 0x0b: ['int16', 2], 0x0c: ['int32', 4], 0x0d: ['float32', 4], 0x0e: ['float64', 8]
}

/** Bytes that say how long the header is. */
export const MAGIC_BYTES = 4
/** The most that a header takes: 255 axes. */
export const MOST_HEADER_BYTES = MAGIC_BYTES + 4 * 255

/** The length of the header that these bytes, 4 or more, begin; `undefined` when it is none. */
export function headerLength(head: Uint8Array): number | undefined {
  if (head.length < MAGIC_BYTES || head[0] !== 0 || head[1] !== 0 || TYPES[head[2] ?? 0] === undefined) return undefined
  return MAGIC_BYTES + 4 * (head[3] ?? 0)
}

/**
 * The header at the beginning of `head`, which is the whole file if it is shorter than the header.
 * @throws MillraceError `Corrupt`, `Truncated`, or `Unsupported` for files without rows that hold a value.
 */
export function parseHeader(uri: string, head: Uint8Array): IdxHeader {
  const fault = (kind: ErrorKind, offset: number, text: string): MillraceError => new MillraceError(kind, `${uri}: ${text}`, { uri, offset, operation: 'open' })
  const cutOff = (): MillraceError => fault('Truncated', head.length, `it ends ${head.length} bytes into its header. The file was cut off: copy it again.`)
  const [first, second, code, rank = 0] = head
  if ((first ?? 0) !== 0 || (second ?? 0) !== 0) throw fault('Corrupt', 0, 'it is no IDX file, which begins with two zero bytes. Read it in the format that it has.')
  if (code === undefined) throw cutOff()
  const type = TYPES[code]
  if (type === undefined) throw fault('Corrupt', 2, `it is no IDX file, or it is damaged: 0x${code.toString(16).padStart(2, '0')} is no type of values.`)
  const headerBytes = MAGIC_BYTES + 4 * rank
  if (head.length < MAGIC_BYTES || head.length < headerBytes) throw cutOff()
  if (rank === 0) throw fault('Unsupported', 3, 'it is one single value, without an axis of rows.')

  const view = new DataView(head.buffer, head.byteOffset, head.byteLength)
  const shape = Array.from({ length: rank }, (_, axis) => view.getUint32(MAGIC_BYTES + 4 * axis))
  const rows = shape[0] ?? 0
  const dataBytes = shape.reduce((size, length) => size * length, type[1])
  if (dataBytes === 0 && rows > 0) throw fault('Unsupported', MAGIC_BYTES, `its rows, of shape [${shape.slice(1).join(', ')}], hold no value.`)
  return { dtype: type[0], itemBytes: type[1], shape, headerBytes, dataBytes }
}
