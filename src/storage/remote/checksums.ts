import { crc32c } from '../../kernels/crc32c.js'

type Digest = (bytes: Uint8Array) => string | undefined

/** Fast enough to cost nothing beside the network: several GB/s. */
const CHEAP: readonly (readonly [algorithm: string, digest: Digest])[] = [
  ['crc32c', bytes => base64OfWord(crc32c(bytes))],
  ['crc32', bytes => {
    const crc32 = builtin<{ crc32?: (bytes: Uint8Array) => number }>('node:zlib')?.crc32
    return crc32 === undefined ? undefined : base64OfWord(crc32(bytes))
  }]
]
const DEAR: typeof CHEAP = [['sha256', bytes => hash('sha256', bytes)], ['md5', bytes => hash('md5', bytes)]]

/**
 * Whether bytes are those that the checksums of a store are of; nothing when none of them can be computed here. Those that take a second
 * per gigabyte (`sha256`, `md5`) only when it is `thorough`.
 */
export function matchesChecksums(bytes: Uint8Array, checksums: Readonly<Record<string, string>>, thorough: boolean): boolean | undefined {
  for (const [algorithm, digest] of thorough ? [...CHEAP, ...DEAR] : CHEAP) {
    const told = checksums[algorithm]
    const computed = told === undefined ? undefined : digest(bytes)
    if (computed !== undefined) return computed === told
  }
  return undefined
}

/** Base64 of a 32-bit number, the most significant byte first, as services write CRCs. */
export function base64OfWord(word: number): string {
  return btoa(String.fromCharCode(word >>> 24, (word >>> 16) & 0xff, (word >>> 8) & 0xff, word & 0xff))
}

function hash(algorithm: string, bytes: Uint8Array): string | undefined {
  interface Hash { update(bytes: Uint8Array): { digest(encoding: 'base64'): string } }
  return builtin<{ createHash(algorithm: string): Hash }>('node:crypto')?.createHash(algorithm).update(bytes).digest('base64')
}

/** A module of Node, where this is Node; without an import, since this is loaded anywhere. */
function builtin<T>(name: string): T | undefined {
  const host = globalThis.process as { getBuiltinModule?: (name: string) => unknown } | undefined
  return host?.getBuiltinModule?.(name) as T | undefined
}
