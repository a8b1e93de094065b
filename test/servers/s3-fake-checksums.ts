/** The checksums of S3, written once more, so that a mistake of the library is not made here as well. */
import { createHash } from 'node:crypto'
import { crc32 } from 'node:zlib'

export const ALGORITHMS = ['CRC32', 'CRC32C', 'CRC64NVME', 'SHA1', 'SHA256'] as const
export type Algorithm = (typeof ALGORITHMS)[number]

export function isAlgorithm(name: string): name is Algorithm {
  return (ALGORITHMS as readonly string[]).includes(name)
}

/** The header that carries a checksum of this kind. */
export function checksumHeader(algorithm: Algorithm): string {
  return `x-amz-checksum-${algorithm.toLowerCase()}`
}

/** In base64, as S3 writes it: CRCs with their highest byte first. */
export function checksum(algorithm: Algorithm, bytes: Uint8Array): string {
  switch (algorithm) {
    case 'CRC32': return base64Of32(crc32(bytes) >>> 0)
    case 'CRC32C': return base64Of32(crc32c(bytes))
    case 'CRC64NVME': return crc64nvme(bytes).toString('base64')
    case 'SHA1': return createHash('sha1').update(bytes).digest('base64')
    case 'SHA256': return createHash('sha256').update(bytes).digest('base64')
  }
}

export function md5(bytes: Uint8Array): Buffer {
  return createHash('md5').update(bytes).digest()
}

export function base64Of32(value: number): string {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes.toString('base64')
}

const TABLE_32C = Uint32Array.from({ length: 256 }, (_, i) => {
  let value = i
  for (let bit = 0; bit < 8; bit++) value = (value & 1) === 1 ? (value >>> 1) ^ 0x82f63b78 : value >>> 1
  return value >>> 0
})

export function crc32c(bytes: Uint8Array): number {
  let value = 0xffffffff
  for (const byte of bytes) value = ((TABLE_32C[(value ^ byte) & 255] ?? 0) ^ (value >>> 8)) >>> 0
  return (value ^ 0xffffffff) >>> 0
}

// The polynomial 0xad93d23594c93659, reflected, in two halves.
const HIGH_64 = new Uint32Array(256)
const LOW_64 = new Uint32Array(256)
for (let i = 0; i < 256; i++) {
  let value = BigInt(i)
  for (let bit = 0; bit < 8; bit++) value = (value & 1n) === 1n ? (value >> 1n) ^ 0x9a6c9329ac4bc9b5n : value >> 1n
  HIGH_64[i] = Number(value >> 32n)
  LOW_64[i] = Number(value & 0xffffffffn)
}

function crc64nvme(bytes: Uint8Array): Buffer {
  let high = 0xffffffff
  let low = 0xffffffff
  for (const byte of bytes) {
    const index = (low ^ byte) & 255
    low = ((low >>> 8) | (high << 24)) ^ (LOW_64[index] ?? 0)
    high = (high >>> 8) ^ (HIGH_64[index] ?? 0)
  }
  const out = Buffer.alloc(8)
  out.writeUInt32BE((high ^ 0xffffffff) >>> 0, 0)
  out.writeUInt32BE((low ^ 0xffffffff) >>> 0, 4)
  return out
}
