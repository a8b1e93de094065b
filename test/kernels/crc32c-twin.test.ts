import { describe, expect, test } from '@jest/globals'
import { crc32c, crc32cTwin, maskedCrc32c } from '../../src/kernels/crc32c.js'

const ascii = (text: string) => new TextEncoder().encode(text)

/** RFC 3720 B.4 (its CRCs are printed in the order of bytes on the wire), and the check value of the CRC catalogue. */
const VECTORS: [name: string, bytes: Uint8Array, crc: number][] = [
  ['no bytes', new Uint8Array(0), 0],
  ['"a"', ascii('a'), 0xc1d04330],
  ['"123456789"', ascii('123456789'), 0xe3069283],
  ['32 zeros', new Uint8Array(32), 0x8a9136aa],
  ['32 ones', new Uint8Array(32).fill(0xff), 0x62a8ab43],
  ['32 ascending bytes', Uint8Array.from({ length: 32 }, (_, i) => i), 0x46dd794e],
  ['32 descending bytes', Uint8Array.from({ length: 32 }, (_, i) => 31 - i), 0x113fdb5c],
  [
    'an iSCSI SCSI Read (10) command PDU',
    Uint8Array.from([
      0x01, 0xc0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x14, 0, 0, 0, 0, 0, 0x04, 0, 0, 0, 0, 0x14, 0, 0, 0, 0x18, 0x28,
      0, 0, 0, 0, 0, 0, 0, 0x02, 0, 0, 0, 0, 0, 0, 0,
    ]),
    0xd9963a56,
  ],
]

/** One bit at a time, straight from the definition. */
function bitwise(bytes: Uint8Array): number {
  let crc = 0xffffffff
  for (const byte of bytes) {
    crc ^= byte
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1
  }
  return ~crc >>> 0
}

describe('CRC-32C', () => {
  test.each(VECTORS)('of %s is the published value', (_, bytes, crc) => {
    expect(crc32c(bytes)).toBe(crc)
    expect(crc32cTwin(bytes)).toBe(crc)
    expect(bitwise(bytes)).toBe(crc)
  })

  test('equals the bit-by-bit definition at every length to 300 and every start to 8', () => {
    const bytes = Uint8Array.from({ length: 320 }, (_, i) => (i * 167 + (i >> 3)) & 255)
    for (let start = 0; start < 9; start++) {
      for (let length = 0; length <= 300; length++) {
        const expected = bitwise(bytes.subarray(start, start + length))
        if (crc32cTwin(bytes, start, start + length) !== expected) throw new Error(`start ${start}, length ${length}`)
      }
    }
  })

  test('takes a view with a byte offset for the bytes it shows', () => {
    const bytes = ascii('..123456789..')
    expect(crc32c(bytes.subarray(2, 11))).toBe(0xe3069283)
    expect(crc32c(bytes, 2, 11)).toBe(0xe3069283)
    expect(crc32c(bytes.subarray(2), 0, 9)).toBe(0xe3069283)
  })

  test.each([
    [-1, 2],
    [3, 2],
    [0, 5],
    [0.5, 2],
    [0, NaN],
  ])('refuses the range [%d, %d) of four bytes', (start, end) => {
    for (const crc of [crc32c, crc32cTwin, maskedCrc32c]) {
      expect(() => crc(new Uint8Array(4), start, end)).toThrow(RangeError)
    }
  })

  test('is masked as TFRecord stores it', () => {
    // Worked out by hand: ror(e3069283, 15) = 2507c60d; + a282ead8.
    expect(maskedCrc32c(ascii('123456789'))).toBe(0xc78ab0e5)
    expect(maskedCrc32c(new Uint8Array(0))).toBe(0xa282ead8)
  })
})
