import { MillraceError, type ByteSource, type Columns, type NdArray, type RowSpec, type Table } from '../../../src/format.js'
import type { Hdf5OpenOptions, Hdf5Paths } from '../model.js'
import { agreed, leavesIn, ownSpecs } from './own-spec.js'
import type { ColumnValues, DatasetSummary } from './protocol.js'
import { openSession, type Session } from './session.js'

/** Most bytes of blocks of the file that are kept: further ones are decoded before they would be needed again. */
const MOST_CACHE_BYTES = 2 ** 25
/** Bytes of rows that are decoded at a time: they lie in the 2 GiB that h5wasm can have, which never shrink again. */
const PIECE_BYTES = 2 ** 25
/** Rows of several datasets are read in blocks that suit all of them up to this many bytes, and above it in the largest of theirs. */
const MOST_BLOCK_BYTES = 2 ** 26

/**
 * The rows of datasets, read by h5wasm in a thread of its own: whatever HDF5 itself can read, with the filters of the package
 * h5wasm-plugins where it is installed.
 *
 * The file is read by ranges, in blocks of 1 MiB of which up to 32 are kept, or `cacheBytes` if that is less. Rows are decoded up to
 * 32 MiB at a time. The thread ends with `close()`, and does not keep the process alive while nothing is waited for.
 *
 * @throws MillraceError `NotFound` for a path without a dataset, `Mismatch` for datasets of different length, `Unsupported` for a type
 * that is not read, a missing package, or a filter that nobody has, `Truncated`, `Corrupt`, `Limit`, or what the store throws
 */
export async function openFallbackTable(source: ByteSource, paths: Hdf5Paths, options: Hdf5OpenOptions): Promise<Table> {
  const { signal, cacheBytes, maxChunkBytes } = options
  signal.throwIfAborted()
  const keys: readonly (readonly [key: string, path: string])[] = typeof paths === 'string' ? [['', paths]] : Object.entries(paths)
  const specs = await ownSpecs(source, keys.map(([, path]) => path), signal)
  const session = openSession(source, Math.min(cacheBytes, MOST_CACHE_BYTES))
  try {
    const summaries = await session.perform({ task: 'describe', paths: keys.map(([, path]) => path) }, signal)
    const parts = keys.map(([key, path], i): TablePart => {
      const summary = summaries[i] as DatasetSummary
      return { key, path, ...summary, spec: agreed(source.uri, summary.spec, specs[i]) }
    })
    for (const part of parts) checkPart(source.uri, part, parts[0] as TablePart, maxChunkBytes)
    return tableOf(session, source.uri, parts, typeof paths === 'string')
  } catch (error) {
    await session.close()
    throw error
  }
}

interface TablePart extends DatasetSummary {
  readonly key: string
  readonly path: string
}

function tableOf(session: Session, uri: string, parts: readonly TablePart[], single: boolean): Table {
  const rows = parts[0]?.rows ?? 0
  const rowBytes = parts.reduce((sum, part) => sum + part.rowBytes, 0)
  const blockRows = blockRowsOf(parts, rows, rowBytes)
  const pieceRows = pieceRowsOf(blockRows, rowBytes)

  async function readPiece(start: number, count: number, columns: Columns, at: number, signal: AbortSignal): Promise<void> {
    const read = await session.perform({ task: 'read', parts: parts.map(({ path }) => ({ path, start, count })) }, signal)
    for (const [i, { key }] of parts.entries()) {
      for (const values of read[i] ?? []) put(values, columnOf(columns, single ? values.name : joined(key, values.name)), at)
    }
  }

  return {
    rows,
    spec: single ? (parts[0] as TablePart).spec : specOf(parts),
    blockRows,
    async read(start, count, columns, at, { signal }) {
      if (start < 0 || count < 0 || start + count > rows) {
        throw new RangeError(`rows ${start} to ${start + count} were asked for of ${uri}, which has ${rows}`)
      }
      for (let done = 0; done < count;) {
        // Pieces end where blocks end, so that none is decoded twice.
        const most = pieceRows - ((start + done) % pieceRows)
        const size = Math.min(most, count - done)
        await readPiece(start + done, size, columns, at + done, signal)
        done += size
      }
    },
    close: () => session.close()
  }
}

function specOf(parts: readonly TablePart[]): RowSpec {
  return Object.fromEntries(parts.flatMap(({ key, spec }) => leavesIn(spec).map(([name, leaf]) => [joined(key, name), leaf])))
}

/** Puts decoded values behind the first `at` rows of a column. */
function put({ values, name }: ColumnValues, column: NdArray, at: number): void {
  const rowItems = column.data.length / (column.shape[0] ?? 1)
  if (Array.isArray(values) !== Array.isArray(column.data)) {
    throw new TypeError(`the column ${name} is ${column.dtype}, which does not go with what was read`)
  }
  if (Array.isArray(values)) {
    const texts = column.data as string[]
    for (let i = 0; i < values.length; i++) texts[at * rowItems + i] = values[i] as string
    return
  }
  const data = column.data as Uint8Array
  // Bytes as they are: what the data are is said by their dtype.
  new Uint8Array(data.buffer, data.byteOffset, data.byteLength).set(new Uint8Array(values as ArrayBuffer), at * rowItems * data.BYTES_PER_ELEMENT)
}

function columnOf(columns: Columns, name: string): NdArray {
  const column = name === '' ? columns : (columns as { readonly [key: string]: NdArray })[name]
  if (column === undefined) throw new TypeError(`there is no column ${name} to read into`)
  return column as NdArray
}

function joined(key: string, name: string): string {
  return name === '' ? key : `${key}.${name}`
}

function blockRowsOf(parts: readonly TablePart[], rows: number, rowBytes: number): number {
  const chunkRows = parts.flatMap(({ chunk }) => (chunk === null || chunk.length === 0 ? [] : [Math.max(1, Math.min(chunk[0] ?? 1, rows))]))
  const together = chunkRows.reduce((all, length) => (all * length) / greatestDivisor(all, length), 1)
  return together * rowBytes <= MOST_BLOCK_BYTES || chunkRows.length < 2 ? together : Math.max(...chunkRows)
}

/** Whole blocks if they are small enough, else a part of one. */
function pieceRowsOf(blockRows: number, rowBytes: number): number {
  const most = Math.max(1, Math.floor(PIECE_BYTES / Math.max(1, rowBytes)))
  return most >= blockRows ? most - (most % blockRows) : most
}

function greatestDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestDivisor(b, a % b)
}

function checkPart(uri: string, part: TablePart, first: TablePart, maxChunkBytes: number): void {
  if (part.rows !== first.rows) {
    const lengths = `${first.path} has ${first.rows} rows and ${part.path} has ${part.rows}`
    throw new MillraceError('Mismatch', `${uri}: ${lengths}; read them apart`, { uri, keyPath: part.key })
  }
  const largest = Math.max(part.chunkBytes, part.rowBytes)
  if (largest > maxChunkBytes) {
    const what = `a ${part.chunkBytes > part.rowBytes ? 'chunk' : 'row'} of ${part.path}`
    throw new MillraceError('Limit', `${uri}: ${what} has ${largest} bytes, and maxChunkBytes is ${maxChunkBytes}`, { uri, keyPath: part.key })
  }
}
