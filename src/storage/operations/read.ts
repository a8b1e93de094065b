import { isMillraceError } from '../../errors.js'
import type { ByteSource, GetOptions, ObjectBytes, OpenOptions, RequestOptions, Store } from '../../store.js'
import { checkInteger } from '../../util/check.js'
import { allocateFor, checkRange } from '../checks.js'
import { readRanges } from '../layers/coalesce.js'
import { linkedController } from './bounded.js'

/** A whole object, also from a store that has no `get`. */
export async function getObject(store: Store, uri: string, options: GetOptions = {}): Promise<ObjectBytes> {
  if (store.get !== undefined) return store.get(uri, options)
  return withSource(store, uri, options, async (source) => {
    const bytes = allocateFor(source.uri, source.byteLength, options)
    await source.read(0, bytes, options)
    return { bytes, meta: { uri: source.uri, size: source.byteLength, version: source.version }, verified: false }
  })
}

/** Some bytes of an object; all from `offset` on when there is no length. */
export async function getObjectRange(store: Store, uri: string, offset: number, length: number | undefined, options: OpenOptions = {}): Promise<Uint8Array> {
  checkInteger('getRange', 'offset', offset, 0)
  if (length !== undefined) checkInteger('getRange', 'length', length, 0)
  return withSource(store, uri, options, async (source) => {
    checkRange(source.uri, source.byteLength, offset, length ?? 0)
    const bytes = new Uint8Array(length ?? source.byteLength - offset)
    await source.read(offset, bytes, options)
    return bytes
  })
}

/** Bytes of an object. */
export interface ObjectRange {
  readonly offset: number
  readonly length: number
}

/** Options of {@link getObjectRanges}. */
export interface GetRangesOptions extends OpenOptions {
  /** Ranges that lie no farther apart are fetched as one. @default 1 MiB */
  readonly gap?: number | undefined
}

/** Several ranges of one version of an object, in the order of the ranges. */
export async function getObjectRanges(store: Store, uri: string, ranges: readonly ObjectRange[], options: GetRangesOptions = {}): Promise<Uint8Array[]> {
  return withSource(store, uri, options, (source) => readRanges(source, ranges, options))
}

/** Whether there is such an object. Only `NotFound` means that there is none; every other failure is thrown. */
export async function objectExists(store: Store, uri: string, options: RequestOptions = {}): Promise<boolean> {
  try {
    await store.stat(uri, options)
    return true
  } catch (error) {
    if (isMillraceError(error, 'NotFound')) return false
    throw error
  }
}

/** Options of {@link streamObject}. */
export interface ReadStreamOptions extends OpenOptions {
  /** The first byte. To go on after a break, the number of bytes that were read, together with `known`. @default 0 */
  readonly start?: number | undefined
  /** The byte behind the last one. @default the size of the object */
  readonly end?: number | undefined
  /** Bytes of a chunk; the last one may have fewer. @default the `idealRange` of the store */
  readonly chunkSize?: number | undefined
  /** Chunks that are read ahead of the one that is being used. @default what the store says to be fast, in 32 MiB at most, but 2 at least */
  readonly ahead?: number | undefined
}

/** Bytes that are read ahead when nobody says how many. */
const AHEAD_BYTES = 32 << 20

/** An object in chunks, in order. Memory: `ahead + 1` chunks. Leaving the loop ends the requests. */
export function streamObject(store: Store, uri: string, options: ReadStreamOptions = {}): AsyncGenerator<Uint8Array, void, undefined> {
  const { idealRange, idealRequests = 1 } = store.capabilities
  const { start = 0, end, chunkSize = idealRange, ahead = Math.max(2, Math.min(idealRequests, Math.floor(AHEAD_BYTES / chunkSize))) } = options
  checkInteger('readStream', 'chunkSize', chunkSize, 1)
  checkInteger('readStream', 'ahead', ahead, 0)
  checkInteger('readStream', 'start', start, 0)
  if (end !== undefined) checkInteger('readStream', 'end', end, start)
  return stream(store, uri, { ...options, start, chunkSize, ahead })
}

type Stream = ReadStreamOptions & { readonly start: number; readonly chunkSize: number; readonly ahead: number }

async function* stream(store: Store, uri: string, options: Stream): AsyncGenerator<Uint8Array, void, undefined> {
  const source = await store.open(uri, options)
  try {
    yield* chunksOf(source, options)
  } finally {
    await source.close()
  }
}

/** The bytes of a source from `start` to `end`. The source stays open. */
export async function* chunksOf(source: ByteSource, { start, end = source.byteLength, chunkSize, ahead, signal, trace }: Stream): AsyncGenerator<Uint8Array, void, undefined> {
  checkRange(source.uri, source.byteLength, start, end - start)
  const { controller, unlink } = linkedController(signal)
  const queue: Promise<Uint8Array>[] = []
  let next = start
  const read = async (offset: number, length: number): Promise<Uint8Array> => {
    const bytes = new Uint8Array(length)
    await source.read(offset, bytes, { signal: controller.signal, trace })
    return bytes
  }
  try {
    while (next < end || queue.length > 0) {
      while (next < end && queue.length <= ahead) {
        const chunk = read(next, Math.min(chunkSize, end - next))
        chunk.catch(() => undefined) // it is told when its turn comes
        queue.push(chunk)
        next += chunkSize
      }
      yield await (queue.shift() as Promise<Uint8Array>)
    }
  } finally {
    controller.abort()
    unlink()
    await Promise.allSettled(queue)
  }
}

async function withSource<T>(store: Store, uri: string, options: OpenOptions, body: (source: ByteSource) => Promise<T>): Promise<T> {
  const { signal, trace, known } = options
  const source = await store.open(uri, { signal, trace, known })
  try {
    return await body(source)
  } finally {
    await source.close()
  }
}
