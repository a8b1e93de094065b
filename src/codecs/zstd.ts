/** Zstandard (RFC 8878), where Node's zlib has it: from 22.15 and 23.8 on. */
import { nodeCodec, type Codec, type NodeTransform } from './deflate.js'

/** Compresses a stream; nothing where the platform cannot. */
export function zstdCompressor(): Codec | undefined {
  return zstd('createZstdCompress')
}

/** Decompresses a stream; nothing where the platform cannot. */
export function zstdDecompressor(): Codec | undefined {
  return zstd('createZstdDecompress')
}

type NodeZstd = { readonly [Name in 'createZstdCompress' | 'createZstdDecompress']?: (options: { readonly readableHighWaterMark: number }) => NodeTransform }

function zstd(name: keyof NodeZstd): Codec | undefined {
  const host = globalThis.process as { getBuiltinModule?: (name: string) => unknown } | undefined
  const create = (host?.getBuiltinModule?.('node:zlib') as NodeZstd | undefined)?.[name]
  // A stream that fails drops what waits to be read: so a piece has to be read before the next bytes are taken.
  return create === undefined ? undefined : nodeCodec(create({ readableHighWaterMark: 1 }))
}
