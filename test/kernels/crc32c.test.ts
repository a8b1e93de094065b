import { afterEach, beforeAll, describe, expect, jest, test } from '@jest/globals'
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { crc32c, crc32cTwin } from '../../src/kernels/crc32c.js'
import { type Crc32cUpdate, loadCrc32cKernel } from '../../src/kernels/crc32c-kernel.js'
import { crc32cUpdate } from '../../src/kernels/crc32c-twin.js'

const WINDOW = 131072
const path = (name: string) => fileURLToPath(new URL(`../../src/kernels/${name}`, import.meta.url))

/** A seeded stream of unsigned 32-bit numbers (xorshift). */
function numbers(seed: number): () => number {
  let x = seed
  return () => {
    x ^= x << 13
    x ^= x >>> 17
    x ^= x << 5
    return x >>> 0
  }
}

const next = numbers(2463534242)
const DATA = Uint8Array.from({ length: 1 << 20 }, () => next() >>> 11)

describe('the CRC-32C kernel', () => {
  let update: Crc32cUpdate = () => 0
  const kernel = (bytes: Uint8Array, start = 0, end = bytes.length) => ~update(-1, bytes, start, end) >>> 0

  function expectTwin(start: number, length: number): void {
    const crc = kernel(DATA, start, start + length)
    if (crc !== crc32cTwin(DATA, start, start + length)) throw new Error(`start ${start}, length ${length}: ${crc}`)
  }

  beforeAll(() => {
    const loaded = loadCrc32cKernel()
    if (loaded === null) throw new Error('this platform has no WebAssembly with SIMD: the kernel cannot be tested on it')
    update = loaded
  })

  test('equals the twin at every length from 0 to 3000', () => {
    for (let length = 0; length <= 3000; length++) expectTwin(length % 61, length)
  })

  test('equals the twin around every length where its path changes', () => {
    for (const edge of [5275, 5275 + 600, 12288, 12288 + 5275, WINDOW, 2 * WINDOW, 3 * WINDOW]) {
      for (let length = edge - 70; length <= edge + 70; length++) expectTwin(length % 67, length)
    }
  })

  test('equals the twin at 3000 random offsets and lengths', () => {
    const random = numbers(88172645)
    for (let i = 0; i < 3000; i++) {
      const length = random() % (i % 20 === 0 ? 500_000 : 20_000)
      expectTwin(random() % (DATA.length - length), length)
    }
  })

  test('equals the twin on all zeros and all ones, whatever ran before', () => {
    for (const value of [0, 255]) {
      const bytes = new Uint8Array(200_000).fill(value)
      for (const length of [300, 1000, 13_000, 131_072, 200_000]) {
        kernel(DATA, 0, 140_000)
        expect(kernel(bytes, 0, length)).toBe(crc32cTwin(bytes, 0, length))
      }
    }
  })

  test('goes on from a register that another call left, as the twin does', () => {
    const random = numbers(521288629)
    for (let i = 0; i < 300; i++) {
      const [a = 0, b = 0] = [random() % 300_000, random() % 300_000].sort((x, y) => x - y)
      const end = b + (random() % 20_000)
      const parts = update(update(update(-1, DATA, 0, a), DATA, a, b), DATA, b, end)
      expect(~parts >>> 0).toBe(kernel(DATA, 0, end))
      expect(crc32cUpdate(update(-1, DATA, 0, a), DATA, a, b)).toBe(update(-1, DATA, 0, b))
    }
  })

  test('changes with any single bit', () => {
    const random = numbers(362436069)
    for (let i = 0; i < 1500; i++) {
      const bytes = DATA.slice(0, 1 + (random() % (i % 10 === 0 ? 300_000 : 15_000)))
      const before = kernel(bytes)
      const at = random() % bytes.length
      bytes[at] = (bytes[at] ?? 0) ^ (1 << (random() & 7))
      expect(kernel(bytes)).not.toBe(before)
    }
  })

  test('reads views and shared memory, and leaves the bytes as they were', () => {
    const shared = new Uint8Array(new SharedArrayBuffer(50_000))
    shared.set(DATA.subarray(0, 50_000))
    expect(kernel(shared, 17, 49_000)).toBe(crc32cTwin(DATA, 17, 49_000))
    expect(kernel(DATA.subarray(5, 30_005))).toBe(crc32cTwin(DATA, 5, 30_005))
    expect(shared).toEqual(DATA.slice(0, 50_000))
  })

  test('is generated from its source as it stands', () => {
    const check = () => execFileSync(process.execPath, [path('build.mjs'), '--check'], { encoding: 'utf8', stdio: 'pipe' })
    expect(check).not.toThrow()
  }, 60_000)

  test('folds with distances that are multiples of the polynomial', () => {
    const folds = new Map<number, number[]>()
    for (const [, reach, distance] of readFileSync(path('assembly/crc32c.ts'), 'utf8').matchAll(/load\(back, (\d+) - (\d+)\)/g)) {
      const distances = folds.get(Number(reach)) ?? [0, Number(reach)]
      folds.set(Number(reach), [...distances, Number(distance)])
    }
    expect([...folds.keys()]).toEqual([5275, 343, 130])
    for (const [reach, distances] of folds) {
      // As a message: a one at each distance. With a register that starts at zero, a multiple of P leaves zero.
      const message = new Uint8Array(reach + 1)
      for (const distance of distances) message[distance] = 1
      expect(crc32cUpdate(0, message, 0, message.length)).toBe(0)
    }
  })
})

describe('crc32c', () => {
  const wasm = globalThis.WebAssembly
  const cases: [why: string, replacement: unknown][] = [
    ['there is no WebAssembly', undefined],
    ['WebAssembly does not know SIMD or may not compile', { Module: class { constructor() { throw new Error('CompileError') } } }]
  ]

  afterEach(() => {
    globalThis.WebAssembly = wasm
    jest.resetModules()
  })

  test('gives the same result on either side of the length where the kernel takes over', () => {
    for (let length = 300; length < 500; length++) expect(crc32c(DATA, 1, 1 + length)).toBe(crc32cTwin(DATA, 1, 1 + length))
    expect(crc32c(DATA)).toBe(crc32cTwin(DATA))
  })

  test.each(cases)('falls back to the twin when %s', async (_, replacement) => {
    jest.resetModules()
    Object.defineProperty(globalThis, 'WebAssembly', { value: replacement, configurable: true, writable: true })
    const fresh = await import('../../src/kernels/crc32c.js')
    const kernel = await import('../../src/kernels/crc32c-kernel.js')
    expect(fresh.crc32c).not.toBe(crc32c)
    expect(kernel.loadCrc32cKernel()).toBeNull()
    for (const length of [0, 9, 383, 384, 10_000, 300_000]) {
      expect(fresh.crc32c(DATA, 3, 3 + length)).toBe(crc32cTwin(DATA, 3, 3 + length))
    }
  })
})
