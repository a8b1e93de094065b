import { decompressor, type Codec } from '../../codecs/deflate.js'
import { zstdDecompressor } from '../../codecs/zstd.js'
import { MillraceError } from '../../errors.js'
import type { Store } from '../../store.js'
import { rowParser, type OpLogRow } from './op-log-rows.js'

/** Options of {@link readOpLog}. */
export interface ReadOpLogOptions {
  readonly signal?: AbortSignal | undefined
  /** Where the log is. @default local files */
  readonly store?: Store | undefined
}

const PIECE = 1 << 20

/**
 * The rows of an op-log, in the order in which they were written: that of the ends of the operations. Whether it is compressed, with gzip
 * or zstd, its first bytes tell. Memory is a few megabytes, however long the log is.
 *
 * @throws MillraceError `Corrupt` with the line where it is no op-log; `Truncated` behind the last complete row when it was cut off, as that
 * of a process that was killed; `Unsupported` for zstd where the platform does not have it
 */
export async function* readOpLog(uri: string, { store, signal }: ReadOpLogOptions = {}): AsyncGenerator<OpLogRow, void, undefined> {
  const parser = rowParser(uri)
  const text = new TextDecoder()
  for await (const bytes of plainBytes(uri, store ?? await localFiles(), signal)) yield* parser.push(text.decode(bytes, { stream: true }))
  yield* parser.push(text.decode())
  parser.end()
}

async function localFiles(): Promise<Store> {
  const { fileStore } = await import('../file.js')
  return fileStore()
}

async function* plainBytes(uri: string, store: Store, signal: AbortSignal | undefined): AsyncGenerator<Uint8Array, void, undefined> {
  const source = await store.open(uri, { signal })
  try {
    const size = source.byteLength
    const begin = new Uint8Array(Math.min(4, size))
    await source.read(0, begin, { signal })
    const codec = codecOf(begin, uri)
    const pieces = async function* (): AsyncGenerator<Uint8Array, void, undefined> {
      for (let at = 0; at < size; at += PIECE) {
        const piece = new Uint8Array(Math.min(PIECE, size - at))
        await source.read(at, piece, { signal })
        yield piece
      }
    }
    yield* codec === undefined ? pieces() : decompressed(pieces(), codec, uri)
  } finally {
    await source.close()
  }
}

function codecOf(begin: Uint8Array, uri: string): Codec | undefined {
  if (begin[0] === 0x1f && begin[1] === 0x8b) return decompressor('gzip')
  if (begin[0] !== 0x28 || begin[1] !== 0xb5 || begin[2] !== 0x2f || begin[3] !== 0xfd) return undefined
  const codec = zstdDecompressor()
  if (codec !== undefined) return codec
  throw new MillraceError('Unsupported', `op-log ${uri}: it is compressed with zstd, which needs Node 22.15, 23.8 or later; decompress it first`,
    { uri, operation: 'read' })
}

async function* decompressed(pieces: AsyncIterable<Uint8Array>, codec: Codec, uri: string): AsyncGenerator<Uint8Array, void, undefined> {
  let failure: { readonly error: unknown } | undefined
  const feeding = (async () => {
    try {
      for await (const piece of pieces) if (!await codec.write(piece)) return
      await codec.end()
    } catch (error) {
      failure = { error }
      await codec.close()
    }
  })()
  try {
    for (;;) {
      let bytes: Uint8Array | null
      try {
        bytes = await codec.read()
      } catch (cause) {
        await feeding
        if (failure !== undefined) throw failure.error
        const cut = (cause as { code?: unknown }).code === 'Z_BUF_ERROR'
        throw new MillraceError(cut ? 'Truncated' : 'Corrupt', `op-log ${uri}: the compressed data ${cut ? 'end too early' : 'are damaged'}`,
          { uri, operation: 'read', cause })
      }
      if (bytes === null) break
      yield bytes
    }
    if (failure !== undefined) throw failure.error
  } finally {
    await codec.close()
    await feeding
  }
}
