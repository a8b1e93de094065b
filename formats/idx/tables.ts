import { isMillraceError, MillraceError, swapBytes, type ByteSource, type Columns, type NdArray, type Table } from '../../src/format.js'
import { inflatedStream, type InflatedStream } from '../shared/inflated.js'
import type { IdxHeader } from './header.js'

/** Bytes of rows that are lost together when a compressed file is damaged. */
const UNIT_BYTES = 2 ** 16

/** The rows of a plain file. */
export function plainTable(source: ByteSource, header: IdxHeader): Table {
  const { rows, rowBytes, spec } = layoutOf(header)
  return {
    rows,
    spec,
    blockRows: 1,
    async read(start, count, columns, at, { signal }) {
      const bytes = bytesOf(columns, at * rowBytes, count * rowBytes)
      await source.read(header.headerBytes + start * rowBytes, bytes, { signal })
      swapBytes(bytes, header.itemBytes)
    }
  }
}

/** A stream at the beginning of a row. */
interface Run {
  readonly stream: InflatedStream
  readonly signal: AbortSignal
  row: number
}

/** The rows of a gzipped file, in order. What stands behind the last row, and the checksum, are looked at with the last row. */
export function compressedTable(source: ByteSource, header: IdxHeader): Table {
  const { rows, rowBytes, spec } = layoutOf(header)
  let run: Run | undefined
  /** What reaches behind this row cannot be read. */
  let lost: { readonly row: number; readonly error: unknown } | undefined
  let last: Promise<void> = Promise.resolve()

  async function end(): Promise<void> {
    const ending = run
    run = undefined
    await ending?.stream.close()
  }

  /** The stream, at the row `start`. */
  async function runTo(start: number, signal: AbortSignal): Promise<Run> {
    if (run === undefined || run.row > start || run.signal !== signal) {
      await end()
      const stream = inflatedStream(source, 'gzip', { signal, advice: `If it is not compressed, say compression: 'none'` })
      signal.addEventListener('abort', () => void stream.close().catch(() => undefined), { once: true })
      run = { stream, signal, row: 0 }
      await skip(stream, header.headerBytes)
    }
    const { stream, row } = run
    await skip(stream, (start - row) * rowBytes)
    run.row = start
    return run
  }

  async function skip(stream: InflatedStream, count: number): Promise<void> {
    for (let left = count; left > 0;) {
      const skipped = await stream.skip(left)
      if (skipped === 0) throw tooShort()
      left -= skipped
    }
  }

  async function read(start: number, count: number, bytes: Uint8Array, signal: AbortSignal): Promise<void> {
    if (lost !== undefined && start + count > lost.row) throw lost.error
    try {
      const { stream } = await runTo(start, signal)
      for (let filled = 0; filled < bytes.length;) {
        const more = await stream.fill(bytes.subarray(filled))
        if (more === 0) throw tooShort()
        filled += more
      }
      if (start + count === rows && await stream.skip(1) > 0) throw tooLong()
      if (run !== undefined) run.row = start + count
    } catch (error) {
      await end().catch(() => undefined)
      signal.throwIfAborted()
      // Behind damage nothing can be decompressed: reading goes on behind the last row.
      if (isMillraceError(error, 'Corrupt') || isMillraceError(error, 'Truncated')) {
        Object.defineProperty(error, 'next', { value: rows, enumerable: true })
        lost = { row: Math.min(start + count - 1, lost?.row ?? Infinity), error }
      }
      throw error
    }
    swapBytes(bytes, header.itemBytes)
  }

  function tooShort(): MillraceError {
    return new MillraceError('Truncated', `${source.uri}: its data end before the ${rows} rows that its header promises. The file was cut off, or its header is damaged: copy it again.`,
      { uri: source.uri, offset: header.headerBytes, operation: 'read' })
  }
  function tooLong(): MillraceError {
    return new MillraceError('Corrupt', `${source.uri}: there are bytes behind the ${rows} rows that its header promises. Its header is damaged, or it is no IDX file.`,
      { uri: source.uri, offset: header.headerBytes + rows * rowBytes, operation: 'read' })
  }

  return {
    rows,
    spec,
    blockRows: Math.max(1, Math.floor(UNIT_BYTES / rowBytes)),
    sequential: true,
    read(start, count, columns, at, { signal }) {
      const bytes = bytesOf(columns, at * rowBytes, count * rowBytes)
      const reading = last.then(() => read(start, count, bytes, signal))
      last = reading.catch(() => undefined)
      return reading
    },
    async close() {
      await last
      await end()
    }
  }
}

function layoutOf({ dtype, itemBytes, shape: [rows = 0, ...shape] }: IdxHeader): { readonly rows: number; readonly rowBytes: number; readonly spec: { readonly dtype: typeof dtype; readonly shape: readonly number[] } } {
  return { rows, rowBytes: shape.reduce((size, length) => size * length, itemBytes), spec: { dtype, shape } }
}

/** The memory of some rows of a table of one leaf. */
function bytesOf(columns: Columns, offset: number, byteLength: number): Uint8Array {
  const { data } = columns as NdArray<IdxHeader['dtype']>
  return new Uint8Array(data.buffer, data.byteOffset + offset, byteLength)
}
