import { bytesPerValue, MillraceError, stack, type DType, type NdArray, type ObjectMeta, type ObjectWriter, type Shape, type StackOptions } from '../../src/format.js'
import { asArray, dataBytes, dataPieces, headerBytes, longestString, type Writable } from './encode.js'
import { PIECE_BYTES, product } from './sizes.js'

/** How an NPY file is written. */
export interface NpyWriteOptions {
  /** The dtype of plain numbers, as in `batch`. @default 'float32' */
  readonly numbers?: StackOptions['numbers']
  /** Number of rows, when it is known before they are there: then they are written as they come. */
  readonly rows?: number | undefined
  readonly signal?: AbortSignal | undefined
}

/** What was written. */
export interface NpyWritten {
  readonly file: ObjectMeta
  readonly dtype: DType
  readonly shape: Shape
}

/** Rows: anything that `batch` makes an array of. */
export type Rows = Iterable<unknown> | AsyncIterable<unknown>

/**
 * Writes an array, or the rows of one, as an NPY file of version 1.0 in C order, byte for byte as NumPy does. Finalizes the object writer, or
 * aborts it when anything fails.
 *
 * The shape stands at the beginning of the file. So rows are kept in memory until the last one is there, unless `rows` says how many there
 * are; strings are kept in any case, for their longest decides about the dtype. Memory otherwise: about 2 MiB.
 * @throws TypeError for what is no array; MillraceError `Mismatch` when rows differ, are not `rows`, or are no arrays; `Lossy` for numbers
 * that their dtype cannot hold and strings with a NUL at the end
 */
export async function writeNpyTo(writer: ObjectWriter, source: Writable | Rows, options: NpyWriteOptions = {}): Promise<NpyWritten> {
  try {
    const { dtype, shape } = isRows(source) ? await writeRows(writer, source, options) : await writeArray(writer, asArray('the array', source), options.signal)
    return { file: await writer.finalize(), dtype, shape }
  } catch (error) {
    await writer.abort()
    throw error
  }
}

function isRows(source: Writable | Rows): source is Rows {
  if (typeof source !== 'object' || source === null || ArrayBuffer.isView(source)) return false
  return Symbol.iterator in source || Symbol.asyncIterator in source
}

async function writeArray(writer: ObjectWriter, array: NdArray, signal: AbortSignal | undefined): Promise<NdArray> {
  const length = array.dtype === 'string' ? longestString(array.data as readonly string[]) : 0
  await writer.write(headerBytes(array.dtype, array.shape, length))
  await writeData(writer, array, length, signal)
  return array
}

async function writeData(writer: ObjectWriter, array: NdArray, stringLength: number, signal: AbortSignal | undefined): Promise<void> {
  for (const piece of dataPieces(array, stringLength)) {
    signal?.throwIfAborted()
    await writer.write(piece)
  }
}

async function writeRows(writer: ObjectWriter, source: Rows, { numbers, rows, signal }: NpyWriteOptions): Promise<Pick<NdArray, 'dtype' | 'shape'>> {
  const kept: NdArray[] = []
  let first: NdArray | undefined
  let count = 0

  /** Takes some stacked rows. */
  const take = async (array: NdArray): Promise<void> => {
    const [dtype, shape] = [array.dtype, array.shape.slice(1)]
    if (first === undefined) {
      first = { ...array, data: array.data.slice(0, 0) } as NdArray
      if (rows !== undefined && dtype !== 'string') await writer.write(headerBytes(dtype, [rows, ...shape], 0))
    } else if (dtype !== first.dtype || shape.join() !== first.shape.slice(1).join()) {
      throw new MillraceError('Mismatch', `row ${count} is ${dtype} [${shape.join(', ')}], the rows before it are ${first.dtype} [${first.shape.slice(1).join(', ')}]; `
        + 'an array has rows of one kind', { index: count })
    }
    count += array.shape[0] ?? 0
    if (rows !== undefined && count > rows) throw miscounted(rows, `there are more`)
    if (rows !== undefined && dtype !== 'string') await writeData(writer, array, 0, signal)
    else kept.push(array)
  }
  for await (const run of runsOf(source, signal)) await take(stacked(run, numbers, count))

  if (rows !== undefined && count < rows) throw miscounted(rows, `there are ${count}`)
  if (first === undefined) throw new MillraceError('Mismatch', 'there are no rows, so their dtype and shape are not known: write an array of shape [0, …]')
  const shape = [count, ...first.shape.slice(1)]
  if (rows !== undefined && first.dtype !== 'string') return { dtype: first.dtype, shape }
  let length = 0
  let seen = 0
  for (const array of first.dtype === 'string' ? kept : []) {
    length = Math.max(length, longestString(array.data as readonly string[], seen))
    seen += array.data.length
  }
  await writer.write(headerBytes(first.dtype, shape, length))
  for (const array of kept) await writeData(writer, array, length, signal)
  return { dtype: first.dtype, shape }
}

function miscounted(rows: number, what: string): MillraceError {
  return new MillraceError('Mismatch', `the option rows says ${rows} rows and ${what}: the number stands at the beginning of the file already, so nothing was written`)
}

/** Rows in runs of about 1 MiB. */
async function* runsOf(source: Rows, signal: AbortSignal | undefined): AsyncGenerator<unknown[], void, undefined> {
  let run: unknown[] = []
  let bytes = 0
  for await (const row of source) {
    signal?.throwIfAborted()
    run.push(row)
    bytes += bytesOfRow(row)
    if (bytes < PIECE_BYTES) continue
    yield run
    run = []
    bytes = 0
  }
  if (run.length > 0) yield run
}

function bytesOfRow(row: unknown): number {
  if (ArrayBuffer.isView(row)) return row.byteLength
  const { dtype, shape, data } = (typeof row === 'object' && row !== null ? row : {}) as Partial<NdArray>
  return ArrayBuffer.isView(data) && dtype !== undefined && shape !== undefined ? product(shape) * bytesPerValue(dtype) : 16
}

function stacked(run: readonly unknown[], numbers: StackOptions['numbers'], first: number): NdArray {
  const rows = run.map((row) => (isBytes(row) ? { dtype: 'uint8', shape: [row.length], data: row } : row))
  const array: unknown = stack(rows, { numbers }, first)
  if (typeof array !== 'object' || array === null || !('dtype' in array) || !('shape' in array)) {
    throw new MillraceError('Mismatch', `row ${first} is no number, text or array: one NPY file holds one array. Make a typed array or ndarray() of a list of numbers, and write the columns of objects with writeNpz`, { index: first })
  }
  return asArray('a row', array)
}

function isBytes(value: unknown): value is Uint8Array {
  return ArrayBuffer.isView(value) && (value as { readonly [Symbol.toStringTag]?: string })[Symbol.toStringTag] === 'Uint8Array'
}

/** An NPY file in memory, piece by piece: for archives. */
export interface NpyPieces {
  readonly byteLength: number
  /** The pieces, anew with every call. */
  pieces(): Iterable<Uint8Array>
}

export function npyPieces(array: NdArray): NpyPieces {
  const length = array.dtype === 'string' ? longestString(array.data as readonly string[]) : 0
  const header = headerBytes(array.dtype, array.shape, length)
  return {
    byteLength: header.length + dataBytes(array, length),
    * pieces() {
      yield header
      yield* dataPieces(array, length)
    }
  }
}
