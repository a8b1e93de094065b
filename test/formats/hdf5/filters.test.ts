import { describe, expect, test } from '@jest/globals'
import { deflateSync } from 'node:zlib'
import { shuffle } from '../../../src/kernels/unshuffle.js'
import { fletcher32, matchesFletcher32 } from '../../../formats/hdf5/filters/fletcher32.js'
import { lzfDecompress } from '../../../formats/hdf5/filters/lzf.js'
import { openPipeline } from '../../../formats/hdf5/filters/pipeline.js'
import { lookup3 } from '../../../formats/hdf5/checksum.js'
import { generator } from './support.js'

const text = (value: string): Uint8Array => new TextEncoder().encode(value)
const place = { uri: 'mem://x', offset: 5 }
const filter = (id: number, name: string, ...parameters: number[]) => ({ id, name, parameters })

/** As the documentation of HDF5 has it: words of 16 bits, the higher byte first, sums reduced as they go. */
function slowFletcher32(bytes: Uint8Array): number {
  let [a, b] = [0, 0]
  for (let i = 0; i < bytes.length; i += 2) {
    a = (a + ((bytes[i] ?? 0) << 8) + (bytes[i + 1] ?? 0)) % 65535
    b = (b + a) % 65535
  }
  return (b * 65536 + a) >>> 0
}

describe('lookup3', () => {
  test('gives the sums of its author', () => {
    expect(lookup3(text(''), 0, 0)).toBe(0xdeadbeef)
    expect(lookup3(text('Four score and seven years ago'), 0, 30)).toBe(0x17770551)
  })

  test('covers the range alone', () => {
    const bytes = text('xxFour score and seven years agoyy')
    expect(lookup3(bytes, 2, 32)).toBe(0x17770551)
  })
})

describe('fletcher32', () => {
  test('is that of HDF5, for every length and place', () => {
    const random = generator(1)
    for (let i = 0; i < 500; i++) {
      const start = random(3)
      const bytes = Uint8Array.from({ length: start + random(3000) }, () => random(256)).subarray(start)
      const slow = slowFletcher32(bytes)
      const sum = fletcher32(bytes)
      // 0 and 65535 are the same sum.
      expect([sum >>> 16, sum & 0xffff].map(half => half % 65535)).toEqual([slow >>> 16, slow & 0xffff])
      expect(matchesFletcher32(bytes, sum)).toBe(true)
      expect(matchesFletcher32(bytes, (((sum & 0x00ff00ff) << 8) | ((sum >>> 8) & 0x00ff00ff)) >>> 0)).toBe(true)
      expect(matchesFletcher32(bytes, (sum ^ 0x10) >>> 0)).toBe(false)
    }
  })

  test('does not overflow', () => {
    expect(fletcher32(new Uint8Array(2 ** 22).fill(255))).toBe(0xffffffff)
    expect(fletcher32(new Uint8Array(1000))).toBe(0)
  })
})

describe('lzf', () => {
  const decoded = (bytes: number[], length: number): string | false => {
    const into = new Uint8Array(length)
    return lzfDecompress(Uint8Array.from(bytes), into) && new TextDecoder().decode(into)
  }

  test('copies runs and repeats, also of itself', () => {
    expect(decoded([2, 97, 98, 99], 3)).toBe('abc')
    expect(decoded([2, 97, 98, 99, 0x20, 2], 6)).toBe('abcabc')
    expect(decoded([0, 97, 0xe0, 91, 0], 101)).toBe('a'.repeat(101))
    expect(decoded([], 0)).toBe('')
  })

  test('refuses what reaches outside', () => {
    expect(decoded([2, 97, 98], 3)).toBe(false)
    expect(decoded([2, 97, 98, 99], 2)).toBe(false)
    expect(decoded([2, 97, 98, 99], 4)).toBe(false)
    expect(decoded([0, 97, 0x20, 1], 4)).toBe(false)
    expect(decoded([0, 97, 0xe0], 20)).toBe(false)
    expect(decoded([0, 97, 0x20], 20)).toBe(false)
    expect(decoded([0, 97, 0xe0, 255, 0], 100)).toBe(false)
  })

  test('never writes outside, whatever the bytes', () => {
    const random = generator(2)
    const memory = new Uint8Array(300).fill(0xaa)
    for (let i = 0; i < 20_000; i++) {
      const bytes = Uint8Array.from({ length: random(30) }, () => random(256))
      lzfDecompress(bytes, memory.subarray(100, 100 + random(100)))
    }
    expect(memory.subarray(0, 100).every(byte => byte === 0xaa) && memory.subarray(200).every(byte => byte === 0xaa)).toBe(true)
  })
})

describe('a pipeline', () => {
  const chunk = Uint8Array.from({ length: 24 }, (_, i) => i)
  const shuffled = new Uint8Array(24)
  shuffle(chunk, 4, shuffled)
  const filters = [filter(2, 'shuffle', 4), filter(1, 'deflate', 6)]

  test('undoes its filters from the last to the first, into a place if one is given', async () => {
    const pipeline = openPipeline(filters, 24, place)
    const into = new Uint8Array(24)
    expect(await pipeline.decode(deflateSync(shuffled), 0, place, into)).toBe(into)
    expect(into).toEqual(chunk)
    expect(await pipeline.decode(deflateSync(shuffled), 0, place, undefined)).toEqual(chunk)
  })

  test('leaves out what the mask says', async () => {
    const pipeline = openPipeline(filters, 24, place)
    expect(await pipeline.decode(shuffled, 2, place, undefined)).toEqual(chunk)
    expect(new Uint8Array(await pipeline.decode(deflateSync(chunk), 1, place, undefined))).toEqual(chunk)
    expect(await pipeline.decode(chunk, 3, place, undefined)).toEqual(chunk)
  })

  test('checks fletcher32 wherever it stands', async () => {
    const sum = fletcher32(chunk)
    const summed = Uint8Array.from([...chunk, sum & 255, (sum >>> 8) & 255, (sum >>> 16) & 255, sum >>> 24])
    const inside = openPipeline([filter(3, 'fletcher32'), filter(1, 'deflate')], 24, place)
    expect(await inside.decode(deflateSync(summed), 0, place, undefined)).toEqual(chunk)
    const wrong = summed.slice()
    wrong[3] = 9
    await expect(inside.decode(deflateSync(wrong), 0, place, undefined)).rejects.toMatchObject({ kind: 'Corrupt', offset: 5, message: expect.stringContaining('fletcher32') })
    await expect(openPipeline([filter(3, 'fletcher32')], 24, place).decode(Uint8Array.of(1, 2), 0, place, undefined)).rejects.toMatchObject({ kind: 'Corrupt' })
  })

  test('refuses chunks of the wrong size, and damaged ones', async () => {
    const pipeline = openPipeline([filter(1, 'deflate')], 24, place)
    for (const bytes of [deflateSync(chunk.subarray(1)), deflateSync(Uint8Array.of(...chunk, 1)), deflateSync(new Uint8Array(1e6)), deflateSync(chunk).subarray(0, -3), chunk, new Uint8Array(0)]) {
      await expect(pipeline.decode(bytes, 0, place, undefined)).rejects.toMatchObject({ kind: 'Corrupt', uri: 'mem://x', offset: 5 })
    }
    // What cannot be that large is not even tried.
    await expect(openPipeline([filter(1, 'deflate')], 2 ** 30, place).decode(deflateSync(chunk), 0, place, undefined)).rejects.toThrow('cannot be the 1073741824')
  })

  test('that has other filters is Unsupported, with the name of the filter and of the package', () => {
    for (const [id, name] of [[32001, 'blosc'], [32015, 'zstd'], [4, 'szip'], [40000, 'mine']] as const) {
      expect(() => openPipeline([filter(id, name)], 24, place)).toThrow(new RegExp(`${name} \\(${id}\\).*h5wasm-plugins`))
    }
  })
})
