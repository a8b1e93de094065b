import { compressor, MillraceError, type Codec, type ObjectMeta, type ObjectWriter } from '../../src/format.js'
import { checkRecord, FOOTER_BYTES, FRAME_BYTES, HEADER_BYTES, putFooter, putHeader } from './framing.js'

/** How TFRecord files are written. */
export interface TfrecordWriterOptions {
  /** How the whole file is compressed. @default 'none' */
  readonly compression?: 'none' | 'gzip' | 'zlib' | undefined
}

/** Writes records one after the other into one TFRecord file. */
export interface TfrecordWriter {
  /**
   * Appends a record. The bytes may be reused when the promise resolves; waiting for it keeps memory bounded.
   * Calls that are not awaited keep their order.
   * @throws TypeError for anything but bytes; whatever the object writer threw, from then on; MillraceError `Closed` after
   * `finalize` or `abort`.
   */
  write(record: Uint8Array): Promise<void>
  /** Writes what is buffered and makes the file visible. */
  finalize(): Promise<ObjectMeta>
  /** Gives the file up; nothing of it stays behind. */
  abort(): Promise<void>
}

const BUFFER_BYTES = 2 ** 20

/**
 * Writes a TFRecord file through an object writer.
 *
 * Records are gathered into writes of 1 MiB, of which one is under way while the next is filled; a record that is larger
 * is handed on as it is. Memory: 2 MiB.
 */
export function tfrecordWriter(writer: ObjectWriter, options: TfrecordWriterOptions = {}): TfrecordWriter {
  const { compression = 'none' } = options
  if (compression !== 'none' && compression !== 'gzip' && compression !== 'zlib') {
    throw new RangeError(`compression must be 'none', 'gzip' or 'zlib', not ${String(compression)}`)
  }
  const sink = compression === 'none' ? plainSink(writer) : compressedSink(writer, compressor(compression))
  let buffer = new Uint8Array(BUFFER_BYTES)
  let other = new Uint8Array(BUFFER_BYTES)
  let filled = 0
  /** The write of `other` under way. */
  let flushing: Promise<void> = Promise.resolve()
  /** The last of the appends that had to wait. */
  let waiting: Promise<void> | undefined
  let failure: { readonly error: unknown } | undefined
  let state: 'open' | 'finishing' | 'closed' = 'open'

  function check(): void {
    if (failure !== undefined) throw failure.error
  }

  async function flush(): Promise<void> {
    await flushing
    check()
    if (filled === 0) return
    const full = buffer.subarray(0, filled)
    ;[buffer, other, filled] = [other, buffer, 0]
    flushing = sink.write(full).catch((error: unknown) => {
      failure ??= { error }
    })
  }

  function put(record: Uint8Array): void {
    putHeader(buffer, filled, record.length)
    buffer.set(record, filled + HEADER_BYTES)
    putFooter(buffer, filled + HEADER_BYTES + record.length, record)
    filled += FRAME_BYTES + record.length
  }

  async function append(record: Uint8Array, after: Promise<void> | undefined): Promise<void> {
    await after
    check()
    if (filled + FRAME_BYTES + record.length > BUFFER_BYTES) await flush()
    if (FRAME_BYTES + record.length <= BUFFER_BYTES) return put(record)
    putHeader(buffer, 0, record.length)
    filled = HEADER_BYTES
    await flush()
    await flushing
    check()
    try {
      await sink.write(record)
    } catch (error) {
      failure ??= { error }
      throw error
    }
    putFooter(buffer, 0, record)
    filled = FOOTER_BYTES
  }

  function checkOpen(): void {
    if (state !== 'open') throw new MillraceError('Closed', 'This TFRecord file is finished already: open another writer')
  }

  return {
    async write(record) {
      checkRecord(record)
      checkOpen()
      check()
      if (waiting === undefined && filled + FRAME_BYTES + record.length <= BUFFER_BYTES) return put(record)
      const appended = append(record, waiting)
      const done: Promise<void> = appended.then(() => undefined, () => undefined).then(() => {
        if (waiting === done) waiting = undefined
      })
      waiting = done
      return appended
    },
    async finalize() {
      checkOpen()
      state = 'finishing'
      await waiting
      await flush()
      await flushing
      check()
      await sink.end()
      const meta = await writer.finalize()
      state = 'closed'
      return meta
    },
    async abort() {
      if (state === 'closed') return
      state = 'closed'
      failure ??= { error: new MillraceError('Closed', 'The TFRecord file was given up while records were being written') }
      await sink.close()
      await waiting
      await flushing
      await writer.abort()
    }
  }
}

/** Where framed bytes go. */
interface Sink {
  write(bytes: Uint8Array): Promise<void>
  /** Hands on what is left. */
  end(): Promise<void>
  close(): Promise<void>
}

function plainSink(writer: ObjectWriter): Sink {
  return { write: (bytes) => writer.write(bytes), end: async () => undefined, close: async () => undefined }
}

function compressedSink(writer: ObjectWriter, codec: Codec): Sink {
  let failure: { readonly error: unknown } | undefined
  const draining = drain()

  async function drain(): Promise<void> {
    try {
      for (let bytes = await codec.read(); bytes !== null; bytes = await codec.read()) await writer.write(bytes)
    } catch (error) {
      failure = { error }
      await codec.close()
    }
  }
  function check(): void {
    if (failure !== undefined) throw failure.error
  }

  return {
    async write(bytes) {
      check()
      if (await codec.write(bytes)) return
      await draining
      check()
      throw new MillraceError('Closed', 'The compressor was closed while records were being written')
    },
    async end() {
      await codec.end()
      await draining
      check()
    },
    async close() {
      await codec.close()
      await draining
    }
  }
}
