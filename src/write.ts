import { MillraceError } from './errors.js'
import { expandBraces } from './storage/braces.js'
import { createWriterAt, loadTfrecordWriter } from './resolve.js'
import { isPattern } from './storage/patterns.js'
import type { ObjectMeta, Store } from './store.js'
import { checkOptions } from './util/check.js'

/** Options of {@link writeTfrecord}. */
export interface WriteTfrecordOptions {
  /** How each file is compressed as a whole. @default 'none' */
  readonly compression?: 'none' | 'gzip' | 'zlib'
  /** Where to write. @default the store for the scheme of the URI */
  readonly store?: Store
  readonly signal?: AbortSignal
}

/** What {@link writeTfrecord} wrote. */
export interface WriteTfrecordResult {
  readonly files: readonly ObjectMeta[]
  readonly records: number
}

/**
 * Writes records to a TFRecord file, or in turn to several: `train-{00..09}.tfrecord` means ten of them.
 *
 * Nothing is visible under the names before all records are written; if anything fails before that, nothing stays behind.
 * Memory: 2 MiB per file. @throws MillraceError of the store; whatever the iterable throws.
 */
export async function writeTfrecord(uri: string, records: Iterable<Uint8Array> | AsyncIterable<Uint8Array>, options: WriteTfrecordOptions = {}): Promise<WriteTfrecordResult> {
  checkOptions('writeTfrecord', options, ['compression', 'store', 'signal'])
  const { compression = 'none', store, signal } = options
  const tfrecordWriter = await loadTfrecordWriter()
  const names = expandBraces(uri)
  if (names.some(isPattern)) throw new TypeError(`writeTfrecord: ${uri} is a pattern to look up; to write several files, name them with braces: train-{00..09}.tfrecord`)
  const writers: ReturnType<typeof tfrecordWriter>[] = []
  try {
    for (const name of names) writers.push(tfrecordWriter(await createWriterAt(name, store, { signal }), { compression }))
    let count = 0
    for await (const record of records) {
      signal?.throwIfAborted()
      if (!ArrayBuffer.isView(record)) throw new MillraceError('Mismatch', `writeTfrecord: record ${count} is ${typeof record}, not a Uint8Array; encodeExample() makes bytes of features`, { index: count })
      await writers[count++ % writers.length]?.write(record)
    }
    const files: ObjectMeta[] = []
    for (const writer of writers) files.push(await writer.finalize())
    return { files, records: count }
  } catch (error) {
    await Promise.allSettled(writers.map(writer => writer.abort()))
    throw error
  }
}
