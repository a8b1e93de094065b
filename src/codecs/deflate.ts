/**
 * Deflate, with Node's zlib on its thread pool where there is one, else with the platform's streams.
 */
import { MillraceError } from '../errors.js'

/** How deflated data are wrapped: gzip (RFC 1952), zlib (RFC 1950), or not at all (`raw`, RFC 1951). */
export type DeflateKind = 'gzip' | 'zlib' | 'raw'

/** A running compressor or decompressor. `write` and `read` go on side by side: each waits for the other. */
export interface Codec {
  /** Resolves when the bytes may be reused: true if they were taken, false if it was closed or has failed. */
  write(bytes: Uint8Array): Promise<boolean>
  /** Says that there is no more to write. */
  end(): Promise<void>
  /** The next bytes of the result, `null` at the end. Rejects when the data are damaged. */
  read(): Promise<Uint8Array | null>
  /** How many of the written bytes belong to the compressed data, when that is known. */
  consumed(): number | undefined
  close(): Promise<void>
}

/** Decompresses a stream. */
export function decompressor(kind: DeflateKind): Codec {
  const zlib = nodeZlib()
  // Node drops what waits to be read when a stream fails. So a piece has to be read before the next bytes are taken.
  if (zlib !== undefined) return nodeCodec(zlib[({ gzip: 'createGunzip', zlib: 'createInflate', raw: 'createInflateRaw' } as const)[kind]]({ chunkSize: OUTPUT_BYTES, readableHighWaterMark: 1 }))
  return webCodec(kind, 'DecompressionStream')
}

/** Compresses a stream. */
export function compressor(kind: DeflateKind): Codec {
  const zlib = nodeZlib()
  if (zlib !== undefined) return nodeCodec(zlib[({ gzip: 'createGzip', zlib: 'createDeflate', raw: 'createDeflateRaw' } as const)[kind]]({ chunkSize: OUTPUT_BYTES }))
  return webCodec(kind, 'CompressionStream')
}

/**
 * Decompresses data that are in memory, on another thread where that is possible. They should be `size` bytes; it resolves to as many
 * as there are, but never to more than `size + 1`. Rejects when the data are damaged or cut off.
 */
export async function inflate(kind: DeflateKind, bytes: Uint8Array, size: number): Promise<Uint8Array> {
  const zlib = nodeZlib()
  if (zlib !== undefined) {
    return new Promise((resolve, reject) => {
      const name = ({ gzip: 'gunzip', zlib: 'inflate', raw: 'inflateRaw' } as const)[kind]
      zlib[name](bytes, { chunkSize: Math.max(64, size + 1), maxOutputLength: Math.max(64, size + 1) }, (error, result) => {
        if (error === null) resolve(result)
        else if ((error as { code?: unknown }).code === 'ERR_BUFFER_TOO_LARGE') resolve(new Uint8Array(size + 1))
        else reject(error)
      })
    })
  }
  const codec = webCodec(kind, 'DecompressionStream')
  try {
    const feeding = codec.write(bytes).then(() => codec.end())
    const into = new Uint8Array(size + 1)
    let filled = 0
    for (let piece = await codec.read(); piece !== null && filled <= size; piece = await codec.read()) {
      const part = piece.subarray(0, size + 1 - filled)
      into.set(part, filled)
      filled += part.length
    }
    if (filled <= size) await feeding
    return into.subarray(0, filled)
  } finally {
    await codec.close()
  }
}

/** Compresses data that are in memory to the zlib wrapping, on another thread where that is possible. `level` is 0 to 9. */
export async function deflate(bytes: Uint8Array, level: number): Promise<Uint8Array> {
  const zlib = nodeZlib()
  if (zlib !== undefined) {
    return new Promise((resolve, reject) => {
      zlib.deflate(bytes, { level }, (error, result) => {
        if (error === null) resolve(result)
        else reject(error)
      })
    })
  }
  const codec = webCodec('zlib', 'CompressionStream')
  try {
    const feeding = codec.write(bytes).then(() => codec.end())
    const pieces: Uint8Array[] = []
    for (let piece = await codec.read(); piece !== null; piece = await codec.read()) pieces.push(piece)
    await feeding
    const out = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0))
    let at = 0
    for (const piece of pieces) {
      out.set(piece, at)
      at += piece.length
    }
    return out
  } finally {
    await codec.close()
  }
}

/** Bytes per piece of output: 0.27 GB/s with gzip, against 0.15 with Node's default of 16 KiB and 0.30 with 1 MiB. */
const OUTPUT_BYTES = 2 ** 17

/** The part of `node:zlib` that is used. */
type NodeZlib = Record<
  'createGunzip' | 'createInflate' | 'createInflateRaw' | 'createGzip' | 'createDeflate' | 'createDeflateRaw',
  (options: { readonly chunkSize: number; readonly readableHighWaterMark?: number }) => NodeTransform
> & Record<
  'gunzip' | 'inflate' | 'inflateRaw',
  (bytes: Uint8Array, options: { readonly chunkSize: number; readonly maxOutputLength: number }, done: (error: Error | null, result: Uint8Array) => void) => void
> & { deflate: (bytes: Uint8Array, options: { readonly level: number }, done: (error: Error | null, result: Uint8Array) => void) => void }

/** A transform of `node:zlib`. */
export interface NodeTransform extends AsyncIterable<Uint8Array> {
  readonly bytesWritten: number
  readonly destroyed: boolean
  write(bytes: Uint8Array, done: (error?: Error | null) => void): unknown
  end(done: (error?: Error | null) => void): unknown
  on(event: 'error' | 'close', listener: () => void): unknown
  destroy(): unknown
}

/** Node's zlib without an import, so that this module loads anywhere. */
function nodeZlib(): NodeZlib | undefined {
  const host = globalThis.process as { getBuiltinModule?: (name: string) => unknown } | undefined
  return host?.getBuiltinModule?.('node:zlib') as NodeZlib | undefined
}

export function nodeCodec(stream: NodeTransform): Codec {
  const output = stream[Symbol.asyncIterator]() as AsyncIterator<Uint8Array, undefined>
  // A failed zlib stream forgets the callback of the write under way; it always emits `close`.
  let giveUp = (): void => undefined
  const closed = new Promise<void>((resolve) => {
    stream.on('close', () => {
      giveUp()
      resolve()
    })
  })
  stream.on('error', () => undefined) // `read` rejects with it.
  const settle = (start: (done: (error?: Error | null) => void) => unknown): Promise<boolean> =>
    new Promise((resolve) => {
      if (stream.destroyed) return resolve(false)
      giveUp = () => resolve(false)
      start((error) => resolve(error === undefined || error === null))
    })
  return {
    write: (bytes) => settle((done) => stream.write(bytes, done)),
    async end() {
      await settle((done) => stream.end(done))
    },
    async read() {
      const { done, value } = await output.next()
      return done === true ? null : value
    },
    consumed: () => stream.bytesWritten,
    async close() {
      stream.destroy()
      await closed
    }
  }
}

function webCodec(kind: DeflateKind, name: 'DecompressionStream' | 'CompressionStream'): Codec {
  const Stream = globalThis[name] as typeof DecompressionStream | undefined
  if (Stream === undefined) {
    throw new MillraceError('Unsupported', `Compressed data need node:zlib or ${name}, and this platform has neither`)
  }
  const { writable, readable } = new Stream(({ gzip: 'gzip', zlib: 'deflate', raw: 'deflate-raw' } as const)[kind])
  const writer = writable.getWriter()
  const reader = readable.getReader()
  writer.closed.catch(() => undefined) // `read` rejects with it.
  const settle = (promise: Promise<void>): Promise<boolean> => promise.then(() => true, () => false)
  return {
    // A copy: some platforms resolve a write before they have used the bytes.
    write: (bytes) => settle(writer.write(bytes.slice())),
    async end() {
      await settle(writer.close())
    },
    async read() {
      const { done, value } = await reader.read()
      return done ? null : value
    },
    consumed: () => undefined,
    async close() {
      await settle(reader.cancel())
      await settle(writer.abort())
    }
  }
}
