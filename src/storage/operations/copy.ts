import { isMillraceError, MillraceError } from '../../errors.js'
import type { ObjectMeta, ObjectStat, OpenOptions, Store, WriteOptions } from '../../store.js'
import { chunksOf, getObject } from './read.js'

/** An object, and the store that it is in. */
export interface Place {
  readonly store: Store
  readonly uri: string
}

/** Options of copies. Conditions, media type and metadata are those of the copy. */
export interface CopyOptions extends WriteOptions, Pick<OpenOptions, 'known'> {
  /** Whether the copy has the media type and metadata of the original. Where they are not given. @default true */
  readonly keepMetadata?: boolean | undefined
}

/** What came of a copy. */
export interface CopyResult {
  /** The copy. */
  readonly meta: ObjectMeta
  /** `server` when the store did it alone, `streamed` when the bytes came through here, `renamed` when nothing was copied. */
  readonly how: 'server' | 'streamed' | 'renamed'
}

/** Objects up to this size are copied in one piece, others in pieces of this size, of which one is read while another is written. */
const PIECE = 4 << 20

/** Copies an object: in the store where that can be, else through here in bounded memory. */
export async function copyObject(from: Place, to: Place, options: CopyOptions = {}): Promise<CopyResult> {
  const { known: _, keepMetadata = true, ...write } = options
  if (from.store === to.store && from.store.copy !== undefined) {
    try {
      const given = keepMetadata ? write : { contentType: 'application/octet-stream', ...write, metadata: write.metadata ?? {} }
      return { meta: await from.store.copy(from.uri, to.uri, given), how: 'server' }
    } catch (error) {
      if (!isMillraceError(error, 'Unsupported')) throw error
    }
  }
  return { meta: await copyThrough(from, to, options), how: 'streamed' }
}

async function copyThrough(from: Place, to: Place, { known, keepMetadata = true, ...options }: CopyOptions): Promise<ObjectMeta> {
  const { signal, trace } = options
  const stat: ObjectStat | undefined = keepMetadata ? await from.store.stat(from.uri, { signal, trace }) : undefined
  const write = writeOptions(options, stat)
  const meta = known ?? stat
  if (meta !== undefined && meta.size <= PIECE) {
    const { bytes } = await getObject(from.store, from.uri, { signal, trace, known: meta })
    return checkSize(to, await to.store.put(to.uri, bytes, write), bytes.byteLength)
  }
  const source = await from.store.open(from.uri, { signal, trace, known: meta })
  try {
    const writer = await to.store.createWriter(to.uri, write)
    try {
      for await (const chunk of chunksOf(source, { start: 0, chunkSize: PIECE, ahead: 1, signal, trace })) await writer.write(chunk)
      return checkSize(to, await writer.finalize(), source.byteLength)
    } catch (error) {
      await writer.abort().catch(() => undefined) // the first error is the one to report
      throw error
    }
  } finally {
    await source.close()
  }
}

/**
 * Renames an object: at once where the store can do that, else by copying it, comparing, and deleting the original. That is not atomic: in
 * between there are both.
 */
export async function renameObject(from: Place, to: Place, options: Omit<CopyOptions, 'known'> = {}): Promise<CopyResult> {
  const { signal, keepMetadata = true, ...write } = options
  const { store } = from
  if (store === to.store && store.rename !== undefined && keepMetadata) {
    return { meta: await store.rename(from.uri, to.uri, { signal, ...write }), how: 'renamed' }
  }
  const before = await store.stat(from.uri, { signal })
  if (store !== to.store && before.uri === to.uri) throw sameName(before.uri)
  if (before.uri === to.uri) return { meta: before, how: 'renamed' }
  const result = await copyObject(from, to, { ...options, known: before })
  if (result.meta.uri === before.uri) {
    if (store !== to.store) throw sameName(before.uri)
    return { ...result, how: 'renamed' } // one name, written in two ways
  }
  const after = await store.stat(from.uri, { signal })
  if (after.version !== before.version || after.modified !== before.modified || result.meta.size !== before.size) {
    throw new MillraceError('Changed',
      `rename ${before.uri}: it was changed while it was copied (its version was ${before.version}, is ${after.version}); it was not deleted, and ${result.meta.uri} is a copy`,
      { uri: before.uri, operation: 'rename' })
  }
  await store.delete(from.uri, { signal })
  return result
}

function writeOptions({ contentType, metadata, ...options }: WriteOptions, stat: ObjectStat | undefined): WriteOptions {
  const kept = metadata ?? stat?.metadata
  return {
    ...options,
    contentType: contentType ?? stat?.contentType,
    ...(kept === undefined || Object.keys(kept).length === 0 ? {} : { metadata: kept })
  }
}

function checkSize(to: Place, meta: ObjectMeta, size: number): ObjectMeta {
  if (meta.size === size) return meta
  throw new MillraceError('Corrupt', `copy ${to.uri}: ${size} bytes were written, but the store says that the object has ${meta.size}; write it again`,
    { uri: to.uri, operation: 'copy' })
}

/** Deleting the original might delete the copy. */
function sameName(uri: string): MillraceError {
  return new MillraceError('Unsupported',
    `rename ${uri}: both names are the same, in two stores that may be one place; copy it, and remove the original when you know that they are not`,
    { uri, operation: 'rename' })
}
